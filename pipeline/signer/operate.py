"""What operators do on the signer side; each action writes who did it to the audit.

FAILED → WAITING_FOR_SIGNATURE (``retry``); FAILED → REJECTED and, before signing began,
WAITING_FOR_SIGNATURE → REJECTED (``reject``); the switch that stops all signing.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.database.advance import Move, advance, record
from pipeline.database.engine import AnyRow, Database
from pipeline.errors import HttpcaError
from pipeline.signer.tables import audit, ledger, requests, switches, tbs
from pipeline.states import State

log = structlog.get_logger(__name__)

SUSPENDED: Final = "signing-suspended"
"""The switch by which an operator stops `sign`."""

RESTORED: Final = "signer-restored"
"""The switch that stops `sign` until a restored signer has learnt what it did. It is one of its own, so
that `reconcile` ends no suspension that an operator has another reason for."""

LONGEST_REASON: Final = 2000
"""Characters of a reason, as in ``pipeline.messages.Outcome``."""


class NotFound(HttpcaError):
    """The signer knows no request of this id."""


class NotPossible(HttpcaError):
    """The request is not in a state in which an operator may do this."""


def retry(database: Database, request_id: str, operator: str, now: datetime) -> None:
    """Let `sign` try a FAILED request again, at once.

    Raises:
        NotFound: there is no such request.
        NotPossible: it did not fail.
    """

    def allowed(_connection: Connection, row: AnyRow) -> None:
        if row.state != State.FAILED:
            raise NotPossible(f"request {request_id} is {row.state}; only failed ones are retried")

    _move(database, "retry", request_id, State.WAITING_FOR_SIGNATURE, "", operator, now, allowed)


def reject(database: Database, request_id: str, reason: str, operator: str, now: datetime) -> None:
    """Reject a request that failed, or that waits for its signature and has no TBS yet.

    ``reason`` is what the requester is told.

    Raises:
        NotFound: there is no such request.
        NotPossible: it is in another state, signing began, or the reason cannot be one.
    """
    if not reason.strip():
        raise NotPossible("a rejection needs a reason, which the requester is told")
    check_reason(reason)

    def allowed(connection: Connection, row: AnyRow) -> None:
        if row.state == State.WAITING_FOR_APPROVAL:
            raise NotPossible(
                f"request {request_id} waits for approval; an approver rejects it (httpca approve)"
            )
        if row.state not in (State.FAILED, State.WAITING_FOR_SIGNATURE):
            raise NotPossible(
                f"request {request_id} is {row.state}, which is no more to be changed"
            )
        begun = connection.scalar(select(tbs.c.serial).where(tbs.c.request_id == request_id))
        if row.state == State.WAITING_FOR_SIGNATURE and begun is not None:
            raise NotPossible(f"request {request_id} is being signed; it is too late to reject it")

    _move(database, "reject", request_id, State.REJECTED, reason, operator, now, allowed)


def suspend(database: Database, reason: str, operator: str, now: datetime) -> bool:
    """Stop all signing; return False when it was stopped already.

    Raises:
        NotPossible: the reason cannot be one.
    """
    return _switch(database, SUSPENDED, True, reason, operator, now)


def resume(database: Database, reason: str, operator: str, now: datetime) -> bool:
    """Let signing go on, whatever stopped it; return False when it was not stopped.

    Raises:
        NotPossible: the reason cannot be one.
    """
    ended = [_switch(database, one, False, reason, operator, now) for one in (SUSPENDED, RESTORED)]
    return any(ended)


def resume_after_restore(database: Database, operator: str, now: datetime) -> bool:
    """End what a restore began, and nothing else; return False when there is nothing to end."""
    return _switch(database, RESTORED, False, "reconciled with the web side", operator, now)


def suspend_after_restore(database: Database, evidence: str, now: datetime) -> None:
    """Stop all signing because this database is older than what was signed from it.

    ``evidence`` says by what that is known.
    """
    reason = f"{evidence}, and this database does not know it: run httpca signer reconcile"
    if _switch(database, RESTORED, True, reason, "signer", now):
        log.error("database-is-older", evidence=evidence, remedy="httpca signer reconcile")


IS_SUSPENDED: Final = select(switches.c.on).where(switches.c.on).limit(1).scalar_subquery()
"""Whether signing is stopped, for a statement that asks for more; NULL when it is not."""


def suspended(connection: Connection) -> bool:
    """Tell whether signing is stopped."""
    return bool(connection.scalar(select(IS_SUSPENDED)))


def check_reason(reason: str) -> None:
    """Refuse what no reason of an operator can be.

    Raises:
        NotPossible: it is too long, or has characters that are not visible.
    """
    # Longer ones do not fit into an outcome; what argv could not decode fits into no database.
    if len(reason) > LONGEST_REASON or (reason and not reason.isprintable()):
        raise NotPossible(f"a reason is one line of at most {LONGEST_REASON} visible characters")


def _move(
    database: Database,
    maker: str,
    request_id: str,
    target: State,
    reason: str,
    operator: str,
    now: datetime,
    allowed: Callable[[Connection, AnyRow], None],
) -> None:
    with database.write() as connection:
        # FOR UPDATE waits for a TBS that is being stored, since that row refers to this one; so a
        # request is never rejected beside its signing.
        row = connection.execute(
            select(requests).where(requests.c.id == request_id).with_for_update()
        ).one_or_none()
        if row is None:
            raise NotFound(f"the signer knows no request {request_id}")
        allowed(connection, row)
        values = {
            "reason": reason,
            "attempts": 0,
            "next_attempt_at": now if target is State.WAITING_FOR_SIGNATURE else None,
            "tell_at": now,
        }
        details = {"operator": operator} | ({"reason": reason} if reason else {})
        wanted = Move(
            request_id, State(row.state), target, row.revision, values=values, details=details
        )
        if request_id not in advance(connection, ledger, maker, [wanted], now):
            raise NotPossible(f"request {request_id} was changed meanwhile; look at it again")


def _switch(
    database: Database, name: str, on: bool, reason: str, operator: str, now: datetime
) -> bool:
    check_reason(reason)
    row = {"name": name, "on": on, "by": operator, "reason": reason, "changed_at": now}
    with database.write() as connection:
        was_on = connection.scalar(select(switches.c.on).where(switches.c.name == name))
        if bool(was_on) is on:
            return False
        dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
        connection.execute(
            dialect.insert(switches)
            .values(row)
            .on_conflict_do_update(index_elements=[switches.c.name], set_=row)
        )
        event = "signing-suspended" if on else "signing-resumed"
        record(connection, audit, event, {"operator": operator, "reason": reason}, now)
    return True
