"""Submissions that may have killed the worker that examined them.

`policy` has no row of such a request yet on which it could count, so it is counted here: only for
what came on a message that the broker delivered again, and before each attempt, in a transaction of
its own. Suspects are examined alone, and after too many attempts they are rejected.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.messages import Submission
from pipeline.signer.examine import Finding, examine_safely, rejected
from pipeline.signer.policy import Policy
from pipeline.signer.side import SignerSide
from pipeline.signer.tables import requests, tries

log = structlog.get_logger(__name__)

DEADLY: Final = (
    "This request could not be examined: our program ended whenever it tried, {} times. Submit it"
    " again with a new key; if that is rejected too, its operator finds more in the signer's log."
)
"""The reason for a request that kills whoever examines it."""


def among(side: SignerSide, fresh: Sequence[Submission], *, redelivered: bool) -> set[str]:
    """Return the ids of the suspects among unknown submissions that came on one message."""
    ids = {one.id for one in fresh}
    if redelivered or not ids:
        return ids
    with side.database.read() as connection:
        return set(
            connection.scalars(select(tries.c.request_id).where(tries.c.request_id.in_(ids)))
        )


def examine_alone(side: SignerSide, rules: Policy, submission: Submission) -> Finding:
    """Put the attempt on record and examine a suspect, unless it had too many."""
    attempts = _begin(side, submission.id)
    if attempts > side.settings.worker.max_attempts:
        log.error("cannot-be-examined", request_id=submission.id, attempts=attempts - 1)
        return rejected(rules, submission, DEADLY.format(attempts - 1))
    return examine_safely(rules, submission)


def forget(side: SignerSide, ids: Collection[str]) -> None:
    """Clear requests that were examined: now, or before a worker died of another one."""
    if not ids:
        return
    with side.database.write() as connection:
        connection.execute(delete(tries).where(tries.c.request_id.in_(list(ids))))
    for one in ids:
        side.begun.pop(one, None)


def forget_resolved(connection: Connection, before: datetime) -> None:
    """Delete the attempts of requests that are known by now, and those begun before a time.

    A request that still waits is asked for more often than that, so its attempts stay.
    """
    known = select(requests.c.id).where(requests.c.id == tries.c.request_id)
    connection.execute(delete(tries).where(known.exists() | (tries.c.begun_at < before)))


def _begin(side: SignerSide, request_id: str) -> int:
    """Return the how many-th attempt this is; one that this process survives counts once."""
    if request_id not in side.begun:
        with side.database.write() as connection:
            dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
            statement = dialect.insert(tries).values(
                request_id=request_id, attempts=1, begun_at=side.now()
            )
            again = {"attempts": tries.c.attempts + 1, "begun_at": side.now()}
            attempts: int = connection.execute(
                statement.on_conflict_do_update(
                    index_elements=[tries.c.request_id], set_=again
                ).returning(tries.c.attempts)
            ).scalar_one()
        side.begun[request_id] = attempts
    return side.begun[request_id]
