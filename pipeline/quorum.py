"""Which decisions count, and when enough of them do (pure).

Both sides of a decision ask here: the signer when it counts, and `approve` before it sends. ``rule``
is a request's snapshot of its rule, so that a set of approvers counts as it stood.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

COUNTED: Final = "counted"
OWN_REQUEST: Final = "own-request"
NOT_ADMITTED: Final = "not-admitted"
VOIDED: Final = "voided"
"""Effects of a decision: it counts; its approver is the requester; its approver is not in the rule's
set; it counted until its request was put under another policy."""

Word = Literal["accept", "reject"]


def admitted(rule: Mapping[str, Any], requester: str | None, approver: str) -> str:
    """Return ``COUNTED`` when a decision of ``approver`` may count under the rule, else why not.

    ``requester`` is the web side's word. Names that differ in case only are one name: who asks does
    not decide, not even to reject, which they do by withdrawing.
    """
    if requester is not None and requester.casefold() == approver.casefold():
        return OWN_REQUEST
    if approver in rule.get("own", ()):
        return OWN_REQUEST
    names = rule.get("approver_names")
    return COUNTED if names is None or approver in names else NOT_ADMITTED


def needed(rule: Mapping[str, Any]) -> int:
    """Return how many approvers have to accept."""
    return int(rule.get("quorum", 1))


def verdict(rule: Mapping[str, Any], counted: Iterable[tuple[str, str]]) -> Word | None:
    """Return what the decisions that count, as (approver, word), lead to; None when to nothing yet.

    One rejection rejects; each approver accepts once.
    """
    accepted: set[str] = set()
    for approver, word in counted:
        if word == "reject":
            return "reject"
        accepted.add(approver)
    return "accept" if len(accepted) >= needed(rule) else None
