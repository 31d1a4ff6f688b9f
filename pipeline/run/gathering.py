"""How long new requests are gathered, so that they go through all stages together.

A batch costs every process behind `web` some milliseconds, whatever is in it. While few requests come
that matters little, and they go on soon. While many come it would be most of the work.
"""

import threading
import time
from typing import Final

from sqlalchemy import bindparam, func, select

from pipeline.actors.web.side import WebSide
from pipeline.web.tables import UNANSWERED, requests

FEW: Final = 8
"""So many that came within ``clock.gather`` seconds go on; for more, it pays to wait for others."""

_due = requests.c.next_attempt_at
_WAITING: Final = select(func.count()).select_from(
    select(requests.c.id)
    .where(UNANSWERED, _due <= bindparam("now"))
    .order_by(_due)
    .limit(bindparam("most"))
    .subquery()
)


def gather(side: WebSide, stopping: threading.Event) -> None:
    """Wait for ``clock.gather`` seconds; then, while many are due, until they fill a batch, at most for
    ``clock.gather_many`` seconds in all.

    The rows themselves are counted. So whatever is lost or stands still, this only waits.
    """
    clock, full = side.settings.clock, side.settings.worker.batch
    latest = time.monotonic() + clock.gather_many
    while not stopping.wait(clock.gather) and time.monotonic() < latest:
        if not FEW < _waiting(side, full) < full:
            return


def _waiting(side: WebSide, most: int) -> int:
    """Return how many requests are due, but for those that came in bulk; at most ``most``."""
    with side.database.read() as connection:
        return connection.scalar(_WAITING, {"now": side.now(), "most": most}) or 0
