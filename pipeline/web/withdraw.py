"""A requester's wish to withdraw: noted here, told to the signer, decided there."""

from datetime import datetime
from typing import Final

from sqlalchemy import update

from pipeline.database.advance import record
from pipeline.database.engine import Database
from pipeline.errors import N_, RequesterError
from pipeline.states import FINAL
from pipeline.web.lookup import Found, find
from pipeline.web.notify import SUBMITTED, announce
from pipeline.web.tables import DUE_SINCE, audit, requests

ALREADY_FINAL: Final = N_(
    "This request has ended already, so it cannot be withdrawn. Tell the operator of an issued"
    " certificate that is no longer wanted."
)


def withdraw(database: Database, request_id: str, requester: str | None, now: datetime) -> Found:
    """Note the wish and make the request due, so that the signer hears of it at once.

    To wish again changes nothing. Returns the request as it is afterwards.

    Raises:
        RequesterError: ``not-found``, or ``already-final``.
    """
    with database.write() as connection:
        find(connection, request_id, requester)
        wished = connection.execute(
            update(requests)
            .where(
                requests.c.id == request_id,
                requests.c.state.not_in(FINAL),
                requests.c.withdrawal_wished.is_(False),
            )
            .values(withdrawal_wished=True, next_attempt_at=now - DUE_SINCE)
        )
        if wished.rowcount:
            details = {"by": requester}
            record(connection, audit, "withdrawal-wished", details, now, request_id)
        found = find(connection, request_id, requester)  # as whoever came first has left it
        if found.final:
            raise RequesterError("already-final", ALREADY_FINAL)
    announce(database, SUBMITTED)
    return found
