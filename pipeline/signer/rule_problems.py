"""What can be wrong with one rule: each problem with its key, what was found and what is allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from pipeline.crypto import durations
from pipeline.crypto.patterns import Pattern
from pipeline.crypto.public_keys import KeyRule
from pipeline.signer import key_reuse, limits, window

if TYPE_CHECKING:
    from pipeline.signer.rules import Rule

MOST_APPROVALS: Final = 20

LISTS: Final = (
    "profiles",
    "every_name",
    "any_name",
    "requesters",
    "groups",
    "sources",
    "keys",
    "days",
    "powers",
)
OF_WEB: Final = ("requesters", "groups", "sources")
"""Conditions that are only the web side's word."""

OF_APPROVAL: Final = ("approvers", "expires", "remind_after")
"""What only a rule says by which something may wait for approvers."""


def problems(rule: Rule) -> Iterator[tuple[str, str]]:
    """Yield what is wrong, as (key, what was found and what is allowed)."""
    yield from _names(rule)
    yield from _conditions(rule)
    yield from _rejections(rule)
    yield from _approvals(rule)
    yield from _limits(rule)
    yield from _key_reuse(rule)
    if rule.action != "sign" and rule.powers is not None:
        problem = f"only a rule that says sign has it; this one says {rule.action!r}"
        yield "powers", problem
    of_web = [key for key in OF_WEB if getattr(rule, key) is not None]
    if rule.action == "sign" and of_web and not rule.trust_web:
        problem = (
            f"this rule signs at once because of {' and '.join(of_web)}, which is only the web"
            " side's word; write trust_web = true to accept that, or let an approver decide"
        )
        yield "trust_web", problem


def _names(rule: Rule) -> Iterator[tuple[str, str]]:
    if not rule.name.strip() or not rule.name.isprintable() or len(rule.name) > 200:
        yield "name", f"found {rule.name!r}; a rule's name is 1 to 200 visible characters"
    if rule.name in ("default", "profile"):
        yield "name", f"found {rule.name!r}, which verdicts use themselves; choose another"


def _conditions(rule: Rule) -> Iterator[tuple[str, str]]:
    for key in LISTS:
        if getattr(rule, key) == ():
            yield key, "found an empty list, which nothing matches; leave the key out instead"
    for key in ("every_name", "any_name"):
        yield from _unreadable(key, getattr(rule, key) or (), Pattern.parse)
    yield from _unreadable("keys", rule.keys or (), KeyRule.parse)
    if rule.hours is not None:
        yield from _unreadable("hours", [rule.hours], window.hours)
    if rule.zone is not None:
        yield from _unreadable("zone", [rule.zone], window.zone)
        if rule.hours is None and rule.days is None:
            yield "zone", "says nothing without hours or days; add one of them or leave it out"


def _rejections(rule: Rule) -> Iterator[tuple[str, str]]:
    if rule.action == "reject" and not rule.reason.strip():
        yield "reason", "found none; a rule that rejects says why, in a sentence to the requester"
    if rule.action != "reject" and rule.reason:
        yield "reason", f"only a rule that rejects has a reason, and this one says {rule.action!r}"
    if len(rule.reason) > 1000:
        yield "reason", f"found {len(rule.reason)} characters; at most 1000 are allowed"


def _approvals(rule: Rule) -> Iterator[tuple[str, str]]:
    if not 1 <= rule.quorum <= MOST_APPROVALS:
        yield "quorum", f"found {rule.quorum}; allowed are 1 to {MOST_APPROVALS}"
    if not rule.asks_approvers:
        if rule.quorum != 1:
            yield (
                "quorum",
                f"only a rule that says approve has a quorum; this one says {rule.action!r}",
            )
        for key in OF_APPROVAL:
            if getattr(rule, key) is not None:
                yield key, f"only a rule that says approve has it; this one says {rule.action!r}"
    for key in ("expires", "remind_after"):
        text = getattr(rule, key)
        if text is not None:
            yield from _unreadable(key, [text], _span)


def _limits(rule: Rule) -> Iterator[tuple[str, str]]:
    yield from _unreadable("limit", rule.limit_texts, limits.parse)
    periods = [text.partition("/")[2] for text in rule.limit_texts]
    if len(set(periods)) < len(periods):
        yield "limit", "found two limits for one period; write one for each of hour and day"
    if rule.limit is not None and not rule.limit_texts:
        yield "limit", "found an empty list; leave the key out instead"
    if rule.action == "reject" and rule.limit is not None:
        yield "limit", "a rule that rejects lets nothing through that could be counted"
    if rule.over_limit is not None and rule.limit is None:
        yield "over_limit", "says nothing without a limit; add limit, as in 100/hour"
    if rule.over_limit == "approve" and rule.action == "approve":
        yield "over_limit", "this rule asks an approver anyway; allowed is reject"


def _key_reuse(rule: Rule) -> Iterator[tuple[str, str]]:
    if rule.key_reuse is None:
        return
    given = rule.key_reuse if isinstance(rule.key_reuse, tuple) else (rule.key_reuse,)
    try:
        key_reuse.parse(given)
    except ValueError as error:
        yield "key_reuse", str(error)
    if rule.action == "reject":
        yield "key_reuse", "a rule that rejects takes no key at all; leave it out"


def _span(text: str) -> None:
    if not durations.parse(text):
        raise ValueError(f"found {text!r}; write a time longer than none, as in 7d")


def _unreadable(
    key: str, texts: Iterable[str], parse: Callable[[str], object]
) -> Iterator[tuple[str, str]]:
    for text in texts:
        try:
            parse(text)
        except ValueError as error:
            yield key, str(error)
