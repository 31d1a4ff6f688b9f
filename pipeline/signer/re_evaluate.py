"""Put requests that wait for approval under the policy of now: an operator's doing.

WAITING_FOR_APPROVAL → WAITING_FOR_APPROVAL, WAITING_FOR_SIGNATURE or REJECTED, by the rules of now.
The decisions so far were about something else and are voided. The rule's snapshot gets the new
revision, so that its digest is another one, and a decision under way is refused.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from pipeline import quorum
from pipeline.database.advance import advance
from pipeline.database.engine import AnyRow, Database
from pipeline.messages import Submission
from pipeline.signer.examine import Finding, examine_safely
from pipeline.signer.key_checks import check_keys
from pipeline.signer.operate import NotFound, NotPossible
from pipeline.signer.over_limit import apply_limits
from pipeline.signer.policy import Policy
from pipeline.signer.side import hold, move
from pipeline.signer.tables import WAITING, decisions, ledger, requests, submissions
from pipeline.signer.waiting_times import waiting_times
from pipeline.states import State


@dataclass(frozen=True, slots=True)
class Terms:
    """By what requests are judged now: the policy, the issuing CA (by its fingerprint) for a profile's
    snapshot, and for how many days one waits whose rule does not say."""

    policy: Policy
    issuer: Callable[[dict[str, Any]], str]
    waiting_days: float


@dataclass(frozen=True, slots=True)
class Reevaluated:
    """What became of one request: its state and rule then, and how many decisions were voided."""

    request_id: str
    state: State
    rule: str
    voided: int


def waiting_under_another(database: Database, policy: Policy) -> list[str]:
    """Return the ids of the requests that wait and were judged by another policy, oldest first."""
    statement = (
        select(requests.c.id)
        .join_from(requests, submissions)
        .where(WAITING, submissions.c.policy_digest != policy.digest)
        .order_by(requests.c.created_at, requests.c.id)
    )
    with database.read() as connection:
        return list(connection.scalars(statement))


def re_evaluate(
    database: Database, terms: Terms, request_id: str, operator: str, now: datetime
) -> Reevaluated:
    """Judge a request again, in a transaction of its own.

    Raises:
        NotFound: there is no such request.
        NotPossible: it does not wait for approval.
    """
    with database.write() as connection:
        hold(connection, request_id)
        row = _read(connection, request_id)
        if row is None:
            raise NotFound(f"the signer knows no request {request_id}")
        if row.state != State.WAITING_FOR_APPROVAL:
            raise NotPossible(
                f"request {request_id} is {row.state}; only what waits for approval is re-evaluated"
            )
        finding = examine_safely(terms.policy, _submission(row), now)
        # A key of our own is refused by `sign`, which knows them.
        checked = check_keys(connection, [finding], ())
        (finding,) = apply_limits(connection, checked, now)
        voided = _void(connection, request_id)
        _move(connection, row, finding, terms, operator, voided, now)
    rule = str(finding.rule["name"])
    return Reevaluated(request_id, finding.state, rule, len(voided))


def _read(connection: Connection, request_id: str) -> AnyRow | None:
    statement = (
        select(requests.c.id, requests.c.state, requests.c.revision, submissions)
        .join_from(requests, submissions)
        .where(requests.c.id == request_id)
    )
    return connection.execute(statement).one_or_none()


def _submission(row: AnyRow) -> Submission:
    return Submission(
        id=row.id,
        csr=row.csr,
        profile=row.profile_name,
        source=row.source,
        submitted_at=row.submitted_at,
        requester=row.requester,
        comment=row.comment,
    )


def _void(connection: Connection, request_id: str) -> Sequence[str]:
    """Let the decisions so far count no more; return their ids."""
    statement = (
        update(decisions)
        .where(decisions.c.request_id == request_id, decisions.c.effect == quorum.COUNTED)
        .values(effect=quorum.VOIDED)
        .returning(decisions.c.id)
    )
    return sorted(connection.scalars(statement))


def _move(
    connection: Connection,
    row: AnyRow,
    finding: Finding,
    terms: Terms,
    operator: str,
    voided: Sequence[str],
    now: datetime,
) -> None:
    waits = finding.state is State.WAITING_FOR_APPROVAL
    expires_at, remind_at = waiting_times(finding.rule, terms.waiting_days, now)
    judged = {
        "profile": finding.snapshot,
        "rule": finding.rule | {"re_evaluated": row.revision + 1},
        "issuer": terms.issuer(finding.snapshot),
        "policy_digest": finding.policy_digest,
    }
    wanted = move(
        row,
        finding.state,
        now,
        reason=finding.reason,
        expires_at=expires_at if waits else None,
        remind_at=remind_at if waits else None,
        details={
            "operator": operator,
            "policy": finding.policy_digest,
            "rule": finding.rule["name"],
            "voided": list(voided),
            # What earlier decisions were about: their digests can still be computed.
            "before": {key: getattr(row, key) for key in judged},
        },
    )
    if row.id not in advance(connection, ledger, "re-evaluate", [wanted], now):
        raise NotPossible(f"request {row.id} was changed meanwhile; look at it again")
    connection.execute(update(submissions).where(submissions.c.request_id == row.id).values(judged))
