"""What becomes of requests that a limited rule does not let through."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from pipeline.database.advance import record
from pipeline.signer import limits, rule_counts
from pipeline.signer.examine import Finding
from pipeline.signer.limits import Limit
from pipeline.signer.rule_counts import Full
from pipeline.signer.tables import audit
from pipeline.states import State


def apply_limits(
    connection: Connection, findings: Sequence[Finding], now: datetime
) -> list[Finding]:
    """Count the findings of limited rules, and return all of them as they are to be stored.

    Those over a limit are rejected, or wait for an approver where their rule says so; that is
    audited. The first of a batch are let through first.
    """
    counted = Counter(rule_of(finding) for finding in findings if limits_of(finding))
    if not counted:
        return list(findings)
    by_rule = {rule_of(finding): limits_of(finding) for finding in findings}
    wanted = {rule: (by_rule[rule], count) for rule, count in counted.items()}
    rooms = rule_counts.take(connection, wanted, now)
    left = {rule: room.allowed for rule, room in rooms.items()}
    stored = []
    for finding in findings:
        full, rule = None, rule_of(finding)
        if limits_of(finding):
            left[rule] -= 1
            full = rooms[rule].full if left[rule] < 0 else None
        stored.append(finding if full is None else _over(finding, full))
    for rule, room in rooms.items():
        if room.full is not None:
            details = {
                "rule": rule,
                "limit": str(room.full.limit),
                "count": counted[rule] - room.allowed,
                "free_at": room.full.free_at.isoformat(),
            }
            record(connection, audit, "rule-limit-reached", details, now)
    return stored


def give_back(connection: Connection, findings: Sequence[Finding], now: datetime) -> None:
    """Count less by those findings that were let through and turned out to be stored already."""
    through = Counter(rule_of(finding) for finding in findings if limits_of(finding))
    by_rule = {rule_of(finding): limits_of(finding) for finding in findings}
    unused = {rule: (by_rule[rule], count) for rule, count in through.items()}
    rule_counts.give_back(connection, unused, now)


def rule_of(finding: Finding) -> str:
    """Return the name of the finding's rule."""
    return str(finding.rule["name"])


def limits_of(finding: Finding) -> tuple[Limit, ...]:
    """Return the limits that the finding is counted under; none for one that is over a limit."""
    if finding.state is State.REJECTED or "over" in finding.rule:
        return ()
    texts = finding.rule.get("limit", ())
    return tuple(limits.parse(text) for text in ([texts] if isinstance(texts, str) else texts))


def _over(finding: Finding, full: Full) -> Finding:
    rule = finding.rule | {"over": str(full.limit)}
    if finding.rule.get("over_limit") == "approve":
        return replace(finding, state=State.WAITING_FOR_APPROVAL, rule=rule | {"action": "approve"})
    reason = (
        f"This certificate authority takes {full.limit.most} such requests in"
        f" {'an hour' if full.limit.period == 'hour' else 'a day'}, and has had them. Submit it again"
        f" after {full.free_at:%Y-%m-%d %H:%M} UTC."
    )
    return replace(finding, state=State.REJECTED, rule=rule | {"action": "reject"}, reason=reason)
