"""How long new requests are gathered, so that they go through all stages together.

A batch costs every process behind `web` some milliseconds, whatever is in it. While few requests come
that matters little, and they go on soon. While many come, or the signer does not keep up, it would be
most of the work.
"""

import threading
import time
from typing import Final

from sqlalchemy import bindparam, func, select

from pipeline.actors.web.side import WebSide
from pipeline.states import State
from pipeline.web.tables import UNANSWERED, requests

FEW: Final = 16
"""While no more than so many are without an answer, those that wait go on."""

_due = requests.c.next_attempt_at
_unanswered = (
    select(_due)
    .where(
        UNANSWERED,
        requests.c.state.in_((State.SUBMITTED, State.RELAYED)),
        _due <= bindparam("latest"),
    )
    .order_by(_due)
    .limit(bindparam("most"))
    .subquery()
)
_COUNT: Final = select(
    func.count().filter(_unanswered.c.next_attempt_at <= bindparam("now")), func.count()
).select_from(_unanswered)


def gather(side: WebSide, stopping: threading.Event) -> None:
    """Wait for ``clock.gather`` seconds; then, while many are without an answer, until those that wait
    fill a batch, at most for ``clock.gather_many`` seconds in all.

    The rows themselves are counted. So whatever is lost or stands still, this only waits.
    """
    clock, full = side.settings.clock, side.settings.worker.batch
    latest = time.monotonic() + clock.gather_many
    while not stopping.wait(clock.gather) and time.monotonic() < latest:
        waiting, unanswered = _count(side, max(full, FEW + 1))
        if unanswered <= FEW or waiting >= full:
            return


def _count(side: WebSide, most: int) -> tuple[int, int]:
    """Return how many are due, and how many have no answer yet, these and those told lately; not what
    came in bulk, and at most ``most``."""
    now = side.now()
    given = {"now": now, "latest": now + side.settings.worker.lease_time, "most": most}
    with side.database.read() as connection:
        waiting, unanswered = connection.execute(_COUNT, given).one()
    return waiting, unanswered
