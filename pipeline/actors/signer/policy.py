"""`policy`: record each new request with its verdict; answer a known one with its state.

(unknown) → WAITING_FOR_APPROVAL, WAITING_FOR_SIGNATURE or REJECTED, by the rules.
WAITING_FOR_APPROVAL → WITHDRAWN, at the requester's wish.

A key that is blocked, or that came before where the rule takes it no more, is rejected. Requests over a
limit of their rule are rejected, or wait for an approver, as the rule says. Both are looked at and
counted in the transaction that stores them.

The first CSR for an id wins; another one is refused and audited. What may have killed a worker
before, since its message was delivered again, is examined after the rest and alone; its attempt is
on record before, and after too many it is rejected.

What may be signed at once is stored as claimed already, with its first attempt and its TBS on record,
and goes on to `sign` within the same worker, which need not claim and read it. Where no TBS can be made
it is left to `sign`, which says why.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import Connection, select, update
from sqlalchemy.exc import StatementError

from pipeline.actors.patience import Patience, is_infrastructure
from pipeline.actors.signer.sign import issue_claimed, may_begin
from pipeline.broker.send import wake
from pipeline.crypto.envelope import Received
from pipeline.database.advance import advance, record
from pipeline.database.claim import Claim
from pipeline.database.engine import AnyRow
from pipeline.database.sets import among, among_given, still
from pipeline.messages import Submission, SubmissionBatch
from pipeline.signer import forgotten, suspects
from pipeline.signer.admission import begun_of, held_of, store
from pipeline.signer.begin import begin_safely
from pipeline.signer.examine import Finding, examine_safely
from pipeline.signer.side import SignerSide, move
from pipeline.signer.tables import audit, ledger, requests, submissions
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
    if signs and not suspected and _may_begin(side):
        findings = [begin_safely(side, one, now) for one in findings]
    held_until = side.now() + side.settings.worker.lease_time
    stored = _store_all(side, findings, held_until)
    for one in fresh:
        if one.id in suspected:
            stored += _store_all(side, [suspects.examine_alone(side, rules, one)], held_until)
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
    held = held_of(stored)
    if len(held) < len(to_sign):
        wake(side.send, SIGN)
    if held:
        claimed = Claim(requests, "next_attempt_at", held, held_until)
        issue_claimed(side, patience, claimed, begun_of(stored))


def _may_begin(side: SignerSide) -> bool:
    with side.database.read() as connection:
        return may_begin(side, connection, side.now())


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
    side: SignerSide, findings: Sequence[Finding], held_until: datetime
) -> list[Finding]:
    """Store what was found, on an error of one item each alone; return it as it was stored, without
    what somebody else stored meanwhile."""
    try:
        return store(side, findings, held_until)
    except (StatementError, ValueError) as error:
        if is_infrastructure(error):
            raise
        log.warning("batch-falls-apart", count=len(findings), error=type(error).__name__)
    stored: list[Finding] = []
    for finding in findings:
        try:
            # Alone it goes by `sign`: perhaps it was its TBS that could not be stored.
            stored += store(side, [replace(finding, made=None)], held_until)
        except (StatementError, ValueError) as error:
            if is_infrastructure(error):
                raise
            log.error("not-stored", request_id=finding.submission.id, error=type(error).__name__)
    return stored


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
