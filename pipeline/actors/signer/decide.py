"""`decide`: record an approver's decision; move the request when it is decided.

WAITING_FOR_APPROVAL → WAITING_FOR_SIGNATURE when enough approvers have accepted, → REJECTED when
one rejects. The decision that first completes a verdict stands; every later one is kept, without
effect. A decision over another digest than that of our own row never counts, nor does one whose
approver is not trusted (any more) when it is counted, is the requester, or is not in the rule's set:
`pipeline.signer.counting` and `pipeline.quorum` say which do.
"""

from datetime import datetime

import structlog
from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from pipeline import quorum
from pipeline.broker.send import wake
from pipeline.crypto.envelope import Received
from pipeline.database.advance import advance, record
from pipeline.database.engine import AnyRow
from pipeline.messages import Decision, says_something
from pipeline.signer.counting import REVOKED, leave_out, why_not
from pipeline.signer.side import SignerSide, approvable, hold, move
from pipeline.signer.tables import audit, decisions, ledger, requests, submissions
from pipeline.stages import SIGN, TRANSMIT
from pipeline.states import State

log = structlog.get_logger(__name__)

TARGETS = {"accept": State.WAITING_FOR_SIGNATURE, "reject": State.REJECTED}


def decide(side: SignerSide, received: Received) -> None:
    """Judge the decision, keep it whole, and advance the request if it completes a verdict."""
    decision = received.body_as(Decision)
    now = side.now()
    with side.database.write() as connection:
        hold(connection, decision.request_id)
        row = _read(connection, decision.request_id)
        if row is not None and row.state == State.WAITING_FOR_APPROVAL:
            leave_out(connection, side.trust, row.id, now)
        effect = _effect(side, connection, row, decision, received, now)
        if not _keep(side, connection, received, decision, effect):
            return  # the same message again
        record(
            connection,
            audit,
            "decision-recorded",
            {
                "decision": received.id,
                "approver": received.sender.name,
                "verdict": decision.verdict,
                "effect": effect,
            },
            now,
            decision.request_id,
        )
        target = _target(connection, row) if effect == quorum.COUNTED else None
        if row is not None and target is not None:
            details = {"approver": received.sender.name, "decision": received.id}
            moved = move(row, target, now, reason=decision.reason, details=details)
            advance(connection, ledger, "decide", [moved], now)
    log.info(
        "decided",
        request_id=decision.request_id,
        approver=received.sender.name,
        verdict=decision.verdict,
        effect=effect,
        state=target,
    )
    if target is State.WAITING_FOR_SIGNATURE:
        wake(side.send, SIGN)
    elif target is not None:
        wake(side.send, TRANSMIT)


def _read(connection: Connection, request_id: str) -> AnyRow | None:
    statement = (
        select(
            requests.c.id,
            requests.c.state,
            requests.c.revision,
            requests.c.expires_at,
            submissions.c.csr,
            submissions.c.requester,
            submissions.c.profile,
            submissions.c.rule,
            submissions.c.issuer,
        )
        .join_from(requests, submissions)
        .where(requests.c.id == request_id)
    )
    return connection.execute(statement).one_or_none()


def _effect(
    side: SignerSide,
    connection: Connection,
    row: AnyRow | None,
    decision: Decision,
    received: Received,
    now: datetime,
) -> str:
    approver = received.sender.name
    if row is None:
        return "unknown-request"
    if approvable(row).digest() != decision.digest:
        return "wrong-digest"
    if row.state != State.WAITING_FOR_APPROVAL:
        return "late"
    if row.expires_at is not None and row.expires_at <= now:  # signer-clock has not got to it yet
        return "overdue"
    # It may have waited here for the database since it passed the gate.
    if why_not(received.token, approver, side.trust) is not None:
        return REVOKED
    if decision.verdict == "reject" and not says_something(decision.reason):
        return "without-reason"
    counts = quorum.admitted(row.rule, row.requester, approver)
    if counts == quorum.COUNTED and any(
        other == approver for other, _ in _counted(connection, row.id)
    ):
        return "repeated"
    return counts


def _keep(
    side: SignerSide,
    connection: Connection,
    received: Received,
    decision: Decision,
    effect: str,
) -> bool:
    """Store the decision with the whole message as evidence; False when it is already there."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = (
        dialect.insert(decisions)
        .values(
            id=received.id,
            request_id=decision.request_id,
            approver=received.sender.name,
            verdict=decision.verdict,
            reason=decision.reason,
            effect=effect,
            decided_at=decision.decided_at,
            received_at=side.now(),
            token=received.token,
        )
        .on_conflict_do_nothing(index_elements=[decisions.c.id, decisions.c.approver])
        .returning(decisions.c.id)
    )
    return connection.execute(statement).first() is not None


def _target(connection: Connection, row: AnyRow | None) -> State | None:
    """Return the state that the decisions so far lead to."""
    if row is None:
        return None
    verdict = quorum.verdict(row.rule, _counted(connection, row.id))
    return None if verdict is None else TARGETS[verdict]


def _counted(connection: Connection, request_id: str) -> list[tuple[str, str]]:
    """Return the decisions that count, as (approver, verdict)."""
    statement = select(decisions.c.approver, decisions.c.verdict).where(
        decisions.c.request_id == request_id, decisions.c.effect == quorum.COUNTED
    )
    return [(row.approver, row.verdict) for row in connection.execute(statement)]
