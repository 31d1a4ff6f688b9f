"""What `policy` says of the keys of new requests by what the signer's database knows of them.

A key on the block list, and one of this certificate authority itself, is refused whoever asks. A key
that came before is refused where the request's rule says so (``key_reuse``). Requests count that are
under way or issued, by whatever rule; those that were rejected or withdrawn, or expired, do not.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection, func, select, text

from pipeline.database.sets import among
from pipeline.signer import blocked_keys, key_reuse
from pipeline.signer.examine import Finding
from pipeline.signer.key_reuse import Uses
from pipeline.signer.tables import requests, submissions
from pipeline.states import State

NOT_IN_USE: Final = (State.REJECTED, State.WITHDRAWN, State.EXPIRED)


def check_keys(
    connection: Connection, findings: Sequence[Finding], own: Collection[str]
) -> list[Finding]:
    """Return the findings as they are to be stored, in the transaction that stores them.

    ``own`` are fingerprints of keys of this certificate authority that are in no table.
    """
    return apply_key_reuse(connection, _without_blocked(connection, findings, own))


def _without_blocked(
    connection: Connection, findings: Sequence[Finding], own: Collection[str]
) -> list[Finding]:
    csrs = [one.csr for one in findings if one.csr and one.state is not State.REJECTED]
    reasons = blocked_keys.reasons(connection, csrs, own)
    return [
        _refused(finding, reasons[finding.key_fingerprint], "blocked-key")
        if finding.key_fingerprint in reasons and finding.state is not State.REJECTED
        else finding
        for finding in findings
    ]


def _refused(finding: Finding, reason: str, why: str) -> Finding:
    rule = finding.rule | {"action": "reject", "refused": why}
    return replace(finding, state=State.REJECTED, reason=reason, rule=rule)


def apply_key_reuse(connection: Connection, findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings, those rejected whose rule does not take their key again.

    Whoever looks holds a lock on the keys until its transaction ends, and stores in the same
    transaction: so no two workers let the same last one through.
    """
    keys = sorted({one.key_fingerprint for one in findings if one.key_fingerprint and _asks(one)})
    if not keys:
        return list(findings)
    _lock(connection, keys)
    uses = _uses(connection, keys, [one.submission.id for one in findings])
    stored = []
    for finding in findings:
        key, requester = finding.key_fingerprint, finding.submission.requester
        if key in uses and finding.state is not State.REJECTED:
            said = key_reuse.of_rule(finding.rule)
            reason = said.refusal(uses[key], requester) if said is not None else None
            if reason is None:
                uses[key][requester] += 1
            else:
                finding = _refused(finding, reason, "key-reuse")
        stored.append(finding)
    return stored


def _asks(finding: Finding) -> bool:
    return finding.state is not State.REJECTED and "key_reuse" in finding.rule


def _lock(connection: Connection, keys: Sequence[str]) -> None:
    """Let others who look for these keys wait. SQLite has one writer at a time anyway."""
    if connection.dialect.name == "sqlite":
        return
    # In one order for everybody, and before any row is locked, so that nobody waits in a circle.
    numbers = sorted(int.from_bytes(bytes.fromhex(key)[:8], "big", signed=True) for key in keys)
    statement = (
        "SELECT pg_advisory_xact_lock(number) FROM"
        " (SELECT unnest(CAST(:numbers AS bigint[])) AS number ORDER BY number) AS ordered"
    )
    connection.execute(text(statement), {"numbers": numbers})


def _uses(connection: Connection, keys: Sequence[str], but: Sequence[str]) -> dict[str, Uses]:
    """Return the uses of these keys, without those requests."""
    key = submissions.c.key_fingerprint
    statement = (
        select(key, submissions.c.requester, func.count())
        .join_from(submissions, requests, requests.c.id == submissions.c.request_id)
        .where(
            among(key, keys),
            requests.c.state.not_in(NOT_IN_USE),
            requests.c.id.not_in(but),
        )
        .group_by(key, submissions.c.requester)
    )
    uses: dict[str, Uses] = {one: Counter() for one in keys}
    for fingerprint, requester, count in connection.execute(statement):
        uses[fingerprint][requester] = count
    return uses
