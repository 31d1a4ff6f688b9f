"""What came in bulk lets all else go first.

All queues and tables behind `relay` serve in the order of arrival. So of what came in bulk only so much
is told to the signer that a request which comes alone waits behind little of it, and more when answers
come in.
"""

from typing import Final

from sqlalchemy import Connection, bindparam, func, select

from pipeline.actors.web.side import WebSide
from pipeline.states import State
from pipeline.web.tables import UNANSWERED_IN_BULK, requests

_due = requests.c.next_attempt_at

_WAITS: Final = (
    select(requests.c.id)
    .where(UNANSWERED_IN_BULK, _due <= bindparam("now"))
    .order_by(_due)
    .limit(1)
)
"""Built once, as what follows: to build a statement costs more than to run it."""

_UNDER_WAY: Final = select(func.count()).select_from(
    select(requests.c.id)
    .where(
        UNANSWERED_IN_BULK,
        requests.c.state.in_((State.SUBMITTED, State.RELAYED)),
        _due > bindparam("now"),
        _due <= bindparam("latest"),
    )
    .limit(bindparam("most"))
    .subquery()
)


def room(connection: Connection, side: WebSide) -> int:
    """Return how many more of what waits the signer may be told: 0 when nothing waits."""
    return (
        side.settings.ask.in_bulk - _under_way(connection, side) if waits(connection, side) else 0
    )


def waits(connection: Connection, side: WebSide) -> bool:
    """Say whether some of it is due, and may have been held back."""
    return connection.execute(_WAITS, {"now": side.now()}).first() is not None


def _under_way(connection: Connection, side: WebSide) -> int:
    """Return how many the signer was told lately, without an answer yet; at most ``ask.in_bulk``.

    One that is not answered for long is not counted any more: else what is lost would block the rest.
    """
    now, most = side.now(), side.settings.ask.in_bulk
    latest = now + side.settings.worker.lease_time
    return connection.scalar(_UNDER_WAY, {"now": now, "latest": latest, "most": most}) or 0
