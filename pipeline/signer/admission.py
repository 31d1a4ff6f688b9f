"""A new request, as `policy` stores it: in one transaction with its submission, its first audit entry,
and its TBS if it is signed at once."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from pipeline.database.advance import admit
from pipeline.messages import clip
from pipeline.signer.begin import Begun, Claimed, note_use_of_keys, tbs_row
from pipeline.signer.examine import Finding
from pipeline.signer.forgotten import LARGEST_BELIEVED
from pipeline.signer.key_checks import check_keys
from pipeline.signer.over_limit import apply_limits, give_back
from pipeline.signer.side import SignerSide
from pipeline.signer.tables import ledger, submissions, tbs
from pipeline.signer.waiting_times import waiting_times
from pipeline.states import State

log = structlog.get_logger(__name__)


def store(side: SignerSide, findings: Sequence[Finding], held_until: datetime) -> list[Finding]:
    """Store new requests, each with what belongs to it, unless somebody else has stored it meanwhile;
    return the findings as they were stored. What signing goes on with is held until then.

    Raises:
        ValueError: there is no issuing CA for one of them.
    """
    if not findings:
        return []
    now = side.now()
    with side.database.write() as connection:
        checked = check_keys(connection, findings, side.trust.keys())
        limited = apply_limits(connection, checked, now)
        rows = [_request_row(side, finding, now, held_until) for finding in limited]
        held = {one.submission.id: one.held for one in limited if one.held}
        own = {
            submissions.c.request_id: [_submission_row(side, one) for one in limited],
            tbs.c.request_id: [tbs_row(request_id, made, now) for request_id, made in held.items()],
        }
        admitted = admit(connection, ledger, "policy", rows, now, own)
        fresh = [finding for finding in limited if finding.submission.id in admitted]
        if len(fresh) < len(limited):
            overtaken = [one for one in limited if one.submission.id not in admitted]
            give_back(connection, overtaken, now)
        begun = [held[one].issuer.fingerprint for one in held if one in admitted]
        note_use_of_keys(connection, begun, [], now)
    over = sorted({str(finding.rule["name"]) for finding in fresh if "over" in finding.rule})
    if over:
        log.warning("rule-limit-reached", rules=over)
    _log(fresh)
    return fresh


def held_of(stored: Iterable[Finding]) -> list[Claimed]:
    """Return those of the requests stored that are held, as a claim has them."""
    return [
        Claimed(one.submission.id, one.state, _first_revision(one), attempts=0)
        for one in stored
        if one.held
    ]


def begun_of(stored: Iterable[Finding]) -> dict[str, Begun]:
    """Return what was begun with these, by their ids: what `sign` need not read."""
    return {
        one.submission.id: Begun(one.csr, one.profile, one.held)
        for one in stored
        if one.csr and one.profile and one.held
    }


def _log(judged: Iterable[Finding]) -> None:
    alike: defaultdict[tuple[State, str | None], list[str]] = defaultdict(list)
    for finding in judged:
        alike[finding.state, finding.rule.get("name")].append(finding.submission.id)
    for (state, rule), ids in alike.items():
        log.info("judged", state=state, rule=rule, count=len(ids), request_ids=ids)


def _first_revision(finding: Finding) -> int:
    """Return the revision at which a request begins: a web side that has heard of it before (we were
    restored from a backup) listens to higher ones only."""
    return min(finding.submission.known_revision, LARGEST_BELIEVED) + 1


def _request_row(
    side: SignerSide, finding: Finding, now: datetime, held_until: datetime
) -> dict[str, Any]:
    signs = finding.state is State.WAITING_FOR_SIGNATURE
    waits = finding.state is State.WAITING_FOR_APPROVAL
    expires_at, remind_at = waiting_times(finding.rule, side.settings.waiting_days, now)
    return {
        "id": finding.submission.id,
        "state": finding.state,
        "revision": _first_revision(finding),
        "reason": clip(finding.reason),
        "attempts": 1 if finding.held else 0,
        "next_attempt_at": (held_until if finding.held else now) if signs else None,
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
        "profile": finding.snapshot,
        "rule": finding.rule,
        "issuer": side.issuers.chosen(finding.snapshot.get("issuer", "")).fingerprint,
        "policy_digest": finding.policy_digest,
        "key_fingerprint": finding.key_fingerprint,
    }
