"""How `httpca policy diff` says what a new policy would have changed."""

from collections import Counter
from typing import Any, Final

from pipeline.crypto.visible import visible
from pipeline.signer.compare import Comparison, Difference
from pipeline.signer.policy import Verdict

_SHOWN: Final = 3
"""How many names are shown of each request."""


def to_plain(found: Comparison) -> dict[str, Any]:
    """Return the comparison as JSON has it."""
    return {
        "looked_at": found.looked_at,
        "unreadable": found.unreadable,
        "different": [
            {
                "id": one.row.id,
                "state": one.row.state,
                "created_at": one.row.created_at,
                "profile": one.row.profile_name,
                "requester": one.row.requester,
                "source": one.row.source,
                "names": list(one.names),
                "differs_in": list(one.what),
                "old": _plain(one.old),
                "new": _plain(one.new),
            }
            for one in found.differences
        ],
    }


def as_table(found: Comparison) -> str:
    """Return the comparison for people: a line for each request, and how many of each kind."""
    lines = [_line(one) for one in found.differences]
    kinds = Counter(f"{one.old.action} → {one.new.action}" for one in found.differences)
    lines += [f"{count:7} {kind}" for kind, count in sorted(kinds.items())]
    lines.append(
        f"{len(found.differences)} of {found.looked_at} requests would meet another verdict."
    )
    if found.unreadable:
        lines.append(f"{found.unreadable} could not be tried: their CSR cannot be read.")
    return "\n".join(lines)


def _line(one: Difference) -> str:
    names = ", ".join(visible(name, 60) for name in one.names[:_SHOWN])
    more = f", … ({len(one.names)} names)" if len(one.names) > _SHOWN else ""
    return (
        f"{one.row.id}  {one.row.created_at:%Y-%m-%d %H:%M}"
        f"  {visible(one.row.requester or 'anonymous', 30)}  {names}{more}\n"
        f"    {_said(one.old)} → {_said(one.new)}  ({', '.join(one.what)})"
    )


def _said(verdict: Verdict) -> str:
    quorum = f" by {verdict.quorum}" if verdict.action == "approve" and verdict.quorum > 1 else ""
    return f"{verdict.action}{quorum} (“{visible(verdict.rule, 60)}”)"


def _plain(verdict: Verdict) -> dict[str, Any]:
    return {
        "action": verdict.action,
        "rule": verdict.rule,
        "reason": verdict.reason,
        "quorum": verdict.quorum,
        "approvers": verdict.rule_snapshot.get("approver_names"),
    }
