"""What came in bulk lets all else go first.

All queues and tables behind `relay` serve in the order of arrival. So of what came in bulk only so much
is told to the signer that a request which comes alone waits behind little of it, and more when answers
come in.
"""

from sqlalchemy import Connection, func, select

from pipeline.actors.web.side import WebSide
from pipeline.states import State
from pipeline.web.tables import UNANSWERED_IN_BULK, requests

_ON_THE_WAY = (State.SUBMITTED, State.RELAYED)


def under_way(connection: Connection, side: WebSide) -> int:
    """Return how many the signer was told lately, without an answer yet; at most ``ask.in_bulk``.

    One that is not answered for long is not counted any more: else what is lost would block the rest.
    """
    due, now = requests.c.next_attempt_at, side.now()
    told = (
        select(requests.c.id)
        .where(
            UNANSWERED_IN_BULK,
            requests.c.state.in_(_ON_THE_WAY),
            due > now,
            due <= now + side.settings.worker.lease_time,
        )
        .limit(side.settings.ask.in_bulk)
        .subquery()
    )
    return connection.scalar(select(func.count()).select_from(told)) or 0


def waits(side: WebSide) -> bool:
    """Say whether some of it is due, and may have been held back."""
    due = requests.c.next_attempt_at
    statement = select(requests.c.id).where(UNANSWERED_IN_BULK, due <= side.now())
    with side.database.read() as connection:
        return connection.execute(statement.order_by(due).limit(1)).first() is not None
