"""`policy`: record each new request with its verdict; answer a known one with its state.

(unknown) → WAITING_FOR_APPROVAL, WAITING_FOR_SIGNATURE or REJECTED, by the rules.
WAITING_FOR_APPROVAL → WITHDRAWN, at the requester's wish.

A key that is blocked, or that came before where the rule takes it no more, is rejected. Requests over a
limit of their rule are rejected, or wait for an approver, as the rule says. Both are looked at and
counted in the transaction that stores them.

The first CSR for an id wins; another one is refused and audited. What may have killed a worker
before, since its message was delivered again, is examined after the rest and alone; its attempt is
on record before, and after too many it is rejected.

What may be signed at once is stored as claimed already, with its first attempt on record, and goes on
to `sign` within the same worker, which need not claim and read it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import Connection, select, update
from sqlalchemy.exc import StatementError

from pipeline.actors.patience import Patience, is_infrastructure
from pipeline.actors.signer.sign import Held, issue_claimed, may_begin
from pipeline.broker.send import wake
from pipeline.crypto.envelope import Received
from pipeline.database.advance import admit, advance, record
from pipeline.database.claim import Claim
from pipeline.database.engine import AnyRow
from pipeline.database.sets import among, among_given, still
from pipeline.messages import Submission, SubmissionBatch, clip
from pipeline.signer import forgotten, suspects
from pipeline.signer.examine import Finding, examine_safely
from pipeline.signer.key_checks import check_keys
from pipeline.signer.over_limit import apply_limits, give_back
from pipeline.signer.side import SignerSide, move
from pipeline.signer.tables import audit, ledger, requests, submissions
from pipeline.signer.verified import VERIFIED
from pipeline.signer.waiting_times import waiting_times
from pipeline.stages import SIGN, TRANSMIT
from pipeline.states import State

log = structlog.get_logger(__name__)


def policy(side: SignerSide, patience: Patience, received: Received) -> None:
    """Judge what is new, answer what is known, issue what may be signed at once, and wake who goes on
    with the rest."""
    batch = received.body_as(SubmissionBatch)
    wanted: dict[str, Submission] = {}
    conflicting = [
        submission
        for submission in batch.submissions
        if wanted.setdefault(submission.id, submission) != submission
    ]
    _refuse(side, conflicting)
    with side.database.read() as connection:
        known = _known(connection, wanted)
    rules = side.policy()
    forgotten.notice(side, wanted.values(), known)
    fresh = [submission for key, submission in wanted.items() if key not in known]
    suspected = side.tries.suspects((one.id for one in fresh), redelivered=received.redelivered)
    now = side.now()
    findings = [examine_safely(rules, one, now) for one in fresh if one.id not in suspected]
    signs = any(one.state is State.WAITING_FOR_SIGNATURE for one in findings)
    held_until = _held_until(side) if signs and not suspected else None
    stored = _store_all(side, findings, held_until)
    for one in fresh:
        if one.id in suspected:
            stored += _store_all(side, [suspects.examine_alone(side, rules, one)])
    side.tries.forget(wanted if received.redelivered else suspected)
    overtaken = {one.id for one in fresh} - {finding.submission.id for finding in stored}
    if overtaken:  # another worker stored these while we examined them
        with side.database.read() as connection:
            known |= _known(connection, overtaken)
    _answer(side, [wanted[key] for key in known], known)
    _withdraw(side, batch.withdrawals)
    to_sign = [finding for finding in stored if finding.state is State.WAITING_FOR_SIGNATURE]
    if known or len(to_sign) < len(stored):
        wake(side.send, TRANSMIT)
    if held_until is not None:
        rows = [Held(one.submission.id, one.state, _first_revision(one)) for one in to_sign]
        issue_claimed(side, patience, Claim(requests, "next_attempt_at", rows, held_until))
    elif to_sign:
        wake(side.send, SIGN)


def _held_until(side: SignerSide) -> datetime | None:
    """Return until when what is stored now is ours to sign; None while nothing is signed."""
    with side.database.read() as connection:
        now = side.now()
        return now + side.settings.worker.lease_time if may_begin(side, connection, now) else None


_KNOWN: Final = (
    select(
        requests.c.id,
        requests.c.revision,
        submissions.c.csr,
        submissions.c.profile_name,
        submissions.c.requester,
    )
    .join_from(requests, submissions)
    .where(among_given(requests.c.id, "ids"))
)
"""Built once: to build a statement costs more than to run it."""


def _known(connection: Connection, ids: Iterable[str]) -> dict[str, AnyRow]:
    return {row.id: row for row in connection.execute(_KNOWN, {"ids": list(ids)})}


def _store_all(
    side: SignerSide, findings: Sequence[Finding], held_until: datetime | None = None
) -> list[Finding]:
    """Store what was found, on an error of one item each alone; return it as it was stored, without
    what somebody else stored meanwhile."""
    try:
        return _store(side, findings, held_until)
    except (StatementError, ValueError) as error:
        if is_infrastructure(error):
            raise
        log.warning("batch-falls-apart", count=len(findings), error=type(error).__name__)
    stored: list[Finding] = []
    for finding in findings:
        try:
            stored += _store(side, [finding], held_until)
        except (StatementError, ValueError) as error:
            if is_infrastructure(error):
                raise
            log.error("not-stored", request_id=finding.submission.id, error=type(error).__name__)
    return stored


def _store(
    side: SignerSide, findings: Sequence[Finding], held_until: datetime | None
) -> list[Finding]:
    if not findings:
        return []
    now = side.now()
    with side.database.write() as connection:
        checked = check_keys(connection, findings, side.trust.keys())
        limited = apply_limits(connection, checked, now)
        rows = [_request_row(side, finding, now, held_until) for finding in limited]
        own = {submissions.c.request_id: [_submission_row(side, one) for one in limited]}
        admitted = admit(connection, ledger, "policy", rows, now, own)
        fresh = [finding for finding in limited if finding.submission.id in admitted]
        if len(fresh) < len(limited):
            overtaken = [one for one in limited if one.submission.id not in admitted]
            give_back(connection, overtaken, now)
    over = sorted({str(finding.rule["name"]) for finding in fresh if "over" in finding.rule})
    if over:
        log.warning("rule-limit-reached", rules=over)
    _log(fresh)
    for finding in fresh:
        if finding.csr is not None and finding.state is State.WAITING_FOR_SIGNATURE:
            VERIFIED.keep(finding.submission.csr, finding.csr)
    return fresh


def _log(judged: Iterable[Finding]) -> None:
    alike: defaultdict[tuple[State, str | None], list[str]] = defaultdict(list)
    for finding in judged:
        alike[finding.state, finding.rule.get("name")].append(finding.submission.id)
    for (state, rule), ids in alike.items():
        log.info("judged", state=state, rule=rule, count=len(ids), request_ids=ids)


def _first_revision(finding: Finding) -> int:
    """Return the revision at which a request begins: a web side that has heard of it before (we were
    restored from a backup) listens to higher ones only."""
    return finding.submission.known_revision + 1


def _request_row(
    side: SignerSide, finding: Finding, now: datetime, held_until: datetime | None
) -> dict[str, Any]:
    signs = finding.state is State.WAITING_FOR_SIGNATURE
    waits = finding.state is State.WAITING_FOR_APPROVAL
    expires_at, remind_at = waiting_times(finding.rule, side.settings.waiting_days, now)
    return {
        "id": finding.submission.id,
        "state": finding.state,
        "revision": _first_revision(finding),
        "reason": clip(finding.reason),
        "attempts": 1 if signs and held_until else 0,
        "next_attempt_at": (held_until or now) if signs else None,
        "told_revision": 0,
        "tell_at": now + timedelta(seconds=side.settings.tell_delay) if signs else now,
        "expires_at": expires_at if waits else None,
        "remind_at": remind_at if waits else None,
    }


def _submission_row(side: SignerSide, finding: Finding) -> dict[str, Any]:
    submission = finding.submission
    return {
        "request_id": submission.id,
        "csr": submission.csr,
        "profile_name": submission.profile,
        "requester": submission.requester,
        "source": submission.source,
        "comment": submission.comment,
        "submitted_at": submission.submitted_at,
        "profile": finding.profile,
        "rule": finding.rule,
        "issuer": side.issuers.chosen(finding.profile.get("issuer", "")).fingerprint,
        "policy_digest": finding.policy_digest,
        "key_fingerprint": finding.key_fingerprint,
    }


def _answer(side: SignerSide, repeated: Sequence[Submission], known: Mapping[str, AnyRow]) -> None:
    """Let `transmit` tell again what the web side has not heard; refuse a second CSR for an id."""
    now = side.now()
    unheard, conflicting = [], []
    for submission in repeated:
        row = known[submission.id]
        if not _same(submission, row):
            conflicting.append(submission)
        if submission.known_revision != row.revision:
            unheard.append(submission.id)
    _refuse(side, conflicting)
    if not unheard:
        return
    with side.database.write() as connection:
        connection.execute(
            update(requests)
            .where(
                among(requests.c.id, unheard),
                requests.c.told_revision == requests.c.revision,
            )
            .values(told_revision=requests.c.revision - 1, tell_at=now)
        )


def _refuse(side: SignerSide, conflicting: Sequence[Submission]) -> None:
    """The first CSR for an id wins; a second one is audited and has no effect."""
    if not conflicting:
        return
    with side.database.write() as connection:
        for submission in conflicting:
            details = {"profile": submission.profile, "requester": submission.requester}
            record(
                connection, audit, "second-submission-refused", details, side.now(), submission.id
            )
    for submission in conflicting:
        log.warning("second-submission-refused", request_id=submission.id)


def _same(submission: Submission, row: AnyRow) -> bool:
    return (submission.csr, submission.profile, submission.requester) == (
        row.csr,
        row.profile_name,
        row.requester,
    )


def _withdraw(side: SignerSide, ids: Sequence[str]) -> None:
    if not ids:
        return
    now = side.now()
    with side.database.write() as connection:
        rows = connection.execute(
            select(requests.c.id, requests.c.state, requests.c.revision).where(
                among(requests.c.id, ids), still(requests.c.state, State.WAITING_FOR_APPROVAL)
            )
        ).all()
        moves = [move(row, State.WITHDRAWN, now) for row in rows]
        withdrawn = advance(connection, ledger, "policy", moves, now)
    for request_id in withdrawn:
        log.info("withdrawn", request_id=request_id)
    if withdrawn:
        wake(side.send, TRANSMIT)
