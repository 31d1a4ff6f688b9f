"""Rules: which requests are signed at once, which wait for an approver, which are rejected."""

from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec

from pipeline.crypto.csr import Csr
from pipeline.crypto.patterns import Pattern
from pipeline.crypto.public_keys import KeyRule

Action = Literal["sign", "approve", "reject"]

MOST_APPROVALS: Final = 20


class RuleError(ValueError):
    """A rule's value is wrong: which key, and what was found and is allowed."""

    def __init__(self, key: str, problem: str) -> None:
        self.key = key
        self.problem = problem
        super().__init__(f"{key}: {problem}")


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule. It matches when all of its conditions do; a condition left out always does.

    ``every_name``: each name of the CSR matches one of these patterns; ``any_name``: at least one
    does. ``requesters`` (names of known requesters) and ``sources`` are the web side's word, so a
    rule that signs because of them must say ``trust_web``. ``reason`` is the sentence to a rejected
    requester; ``quorum`` the number of approvers that an approval needs.

    Raises:
        RuleError: when a value is not allowed.
    """

    name: str
    action: Action
    profiles: tuple[str, ...] | None = None
    every_name: tuple[str, ...] | None = None
    any_name: tuple[str, ...] | None = None
    requesters: tuple[str, ...] | None = None
    sources: tuple[str, ...] | None = None
    keys: tuple[str, ...] | None = None
    reason: str = ""
    quorum: int = 1
    trust_web: bool = False

    def __post_init__(self) -> None:
        """Refuse values that do not fit; msgspec has checked their types."""
        for key, problem in _problems(self):
            raise RuleError(key, problem)

    def mismatches(
        self, csr: Csr, profile: str, requester: str | None, source: str
    ) -> Iterator[str]:
        """Yield, for each condition that does not hold, a phrase that says why not."""
        if self.profiles is not None and profile not in self.profiles:
            yield f"its profiles are {_listed(self.profiles)}, not {profile}"
        if self.requesters is not None and requester not in self.requesters:
            yield f"its requesters are {_listed(self.requesters)}, not {requester or 'anonymous'}"
        if self.sources is not None and source not in self.sources:
            yield f"its sources are {_listed(self.sources)}, not {source}"
        if self.keys is not None and not any(KeyRule.parse(k).admits(csr.key) for k in self.keys):
            yield f"its keys are {_listed(self.keys)}, not {csr.key.kind}"
        if self.every_name is not None:
            patterns = [Pattern.parse(text) for text in self.every_name]
            for name in csr.names:
                if not any(pattern.matches(name) for pattern in patterns):
                    yield f"{name} is not among every_name: {_listed(self.every_name)}"
                    break
        if self.any_name is not None:
            patterns = [Pattern.parse(text) for text in self.any_name]
            if not any(pattern.matches(name) for pattern in patterns for name in csr.names):
                yield f"no name is among any_name: {_listed(self.any_name)}"

    def snapshot(self) -> dict[str, Any]:
        """Return every field in plain JSON types, for the request's record and digest."""
        plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        return plain


def _listed(values: tuple[str, ...]) -> str:
    return ", ".join(values)


def _problems(rule: Rule) -> Iterator[tuple[str, str]]:
    """Yield what is wrong, as (key, what was found and what is allowed)."""
    if not rule.name.strip() or not rule.name.isprintable() or len(rule.name) > 200:
        yield "name", f"found {rule.name!r}; a rule's name is 1 to 200 visible characters"
    if rule.name in ("default", "profile"):
        yield "name", f"found {rule.name!r}, which verdicts use themselves; choose another"
    for key in ("profiles", "every_name", "any_name", "requesters", "sources", "keys"):
        if getattr(rule, key) == ():
            yield key, "found an empty list, which nothing matches; leave the key out instead"
    for key in ("every_name", "any_name"):
        for text in getattr(rule, key) or ():
            try:
                Pattern.parse(text)
            except ValueError as error:
                yield key, str(error)
    for text in rule.keys or ():
        try:
            KeyRule.parse(text)
        except ValueError as error:
            yield "keys", str(error)
    if rule.action == "reject" and not rule.reason.strip():
        yield "reason", "found none; a rule that rejects says why, in a sentence to the requester"
    if rule.action != "reject" and rule.reason:
        yield "reason", f"only a rule that rejects has a reason, and this one says {rule.action!r}"
    if len(rule.reason) > 1000:
        yield "reason", f"found {len(rule.reason)} characters; at most 1000 are allowed"
    if not 1 <= rule.quorum <= MOST_APPROVALS:
        yield "quorum", f"found {rule.quorum}; allowed are 1 to {MOST_APPROVALS}"
    if rule.action != "approve" and rule.quorum != 1:
        yield "quorum", f"only a rule that says approve has a quorum; this one says {rule.action!r}"
    of_web = [key for key in ("requesters", "sources") if getattr(rule, key) is not None]
    if rule.action == "sign" and of_web and not rule.trust_web:
        problem = (
            f"this rule signs at once because of {' and '.join(of_web)}, which is only the web"
            " side's word; write trust_web = true to accept that, or let an approver decide"
        )
        yield "trust_web", problem
