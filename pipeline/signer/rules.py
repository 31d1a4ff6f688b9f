"""Rules: which requests are signed at once, which wait for an approver, which are rejected."""

from collections.abc import Collection, Iterator
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

import msgspec

from pipeline.crypto.csr import Csr
from pipeline.crypto.patterns import Pattern
from pipeline.crypto.public_keys import KeyRule
from pipeline.crypto.subtrees import Subtree
from pipeline.crypto.usages import Power
from pipeline.signer import limits, window
from pipeline.signer.limits import Limit
from pipeline.signer.rule_problems import problems

Action = Literal["sign", "approve", "reject"]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
OverLimit = Literal["reject", "approve"]


class RuleError(ValueError):
    """A rule's value is wrong: which key, and what was found and is allowed."""

    def __init__(self, key: str, problem: str) -> None:
        self.key = key
        self.problem = problem
        super().__init__(f"{key}: {problem}")


class Asked(msgspec.Struct, frozen=True):
    """What a rule is matched with, besides the CSR.

    ``requester`` (None: anonymous) and ``source`` are the web side's word, and so are ``groups``,
    those of the policy that the requester belongs to. ``at`` is by the signer's clock. ``powers``
    are those of the profile; ``subtrees`` what a CA could speak for, None when it is no CA.
    """

    profile: str
    requester: str | None
    source: str
    at: datetime
    groups: frozenset[str] = frozenset()
    powers: frozenset[Power] = frozenset()
    subtrees: tuple[Subtree, ...] | None = None


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """One rule. It matches when all of its conditions do; a condition left out always does.

    ``every_name``: each name of the CSR matches one of these patterns, and there is one; ``any_name``:
    at least one does, or (where the rule does not sign at once) is a wildcard that stands for one that
    does. For a CA these look at what it could speak for. ``powers`` are those of profiles
    that a rule which signs at once covers; without it, it covers no profile that gives any.
    ``requesters`` (names of known requesters), ``groups`` of them and ``sources`` are the web
    side's word, so a rule that signs because of them must say ``trust_web``. ``hours`` and ``days``
    are on the clocks of ``zone`` (UTC by default).

    ``reason`` is the sentence to a rejected requester; ``quorum`` the number of approvers that an
    approval needs, of the set named ``approvers`` (of all by default). ``expires`` is how long a
    request waits for them, ``remind_after`` after how long they are reminded, again and again.
    ``limit`` is how many requests the rule lets through in each hour or day of UTC, and
    ``over_limit`` what happens to the others (by default they are rejected). ``key_reuse`` says who
    may use a key again, and how often (``pipeline.signer.key_reuse``); left out, everybody may.

    Raises:
        RuleError: when a value is not allowed.
    """

    name: str
    action: Action
    profiles: tuple[str, ...] | None = None
    every_name: tuple[str, ...] | None = None
    any_name: tuple[str, ...] | None = None
    requesters: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    sources: tuple[str, ...] | None = None
    keys: tuple[str, ...] | None = None
    hours: str | None = None
    days: tuple[Day, ...] | None = None
    zone: str | None = None
    reason: str = ""
    quorum: int = 1
    approvers: str | None = None
    expires: str | None = None
    remind_after: str | None = None
    limit: str | tuple[str, ...] | None = None
    over_limit: OverLimit | None = None
    key_reuse: int | str | tuple[int | str, ...] | None = None
    powers: tuple[Power, ...] | None = None
    trust_web: bool = False

    def __post_init__(self) -> None:
        """Refuse values that do not fit; msgspec has checked their types."""
        for key, problem in problems(self):
            raise RuleError(key, problem)

    @property
    def asks_approvers(self) -> bool:
        """Whether something may wait for approvers by this rule."""
        return self.action == "approve" or self.over_limit == "approve"

    @property
    def limit_texts(self) -> tuple[str, ...]:
        """``limit`` as a list, as the policy has it."""
        if self.limit is None:
            return ()
        return (self.limit,) if isinstance(self.limit, str) else self.limit

    @property
    def limits(self) -> tuple[Limit, ...]:
        """How many requests the rule lets through in which time."""
        return tuple(limits.parse(text) for text in self.limit_texts)

    def mismatches(self, csr: Csr, asked: Asked) -> Iterator[str]:
        """Yield, for each condition that does not hold, a phrase that says why not."""
        yield from self._mismatches_of_who(asked)
        if self.keys is not None and not any(KeyRule.parse(k).admits(csr.key) for k in self.keys):
            yield f"its keys are {_listed(self.keys)}, not {csr.key.kind}"
        beyond = self.powers_beyond(asked.powers)
        if beyond:
            yield (
                f"it signs at once, and profile {asked.profile} gives {_listed(beyond)}, which is"
                " not in its powers"
            )
        if asked.subtrees is None:
            yield from self._mismatches_of_names(csr)
        else:
            yield from self._mismatches_of_subtrees(asked.subtrees)
        zone = self.zone or "UTC"
        in_time = self.hours is None and self.days is None
        if not in_time and not window.holds(asked.at, self.hours, self.days, zone):
            when = " ".join([", ".join(self.days or ()), self.hours or ""]).strip()
            yield f"its time is {when}, not {window.shown(asked.at, zone)}"

    def powers_beyond(self, powers: Collection[Power]) -> list[Power]:
        """Return the powers that this rule would have to list to sign at once."""
        return sorted(set(powers) - set(self.powers or ())) if self.action == "sign" else []

    def _mismatches_of_who(self, asked: Asked) -> Iterator[str]:
        who = asked.requester or "anonymous"
        if self.profiles is not None and asked.profile not in self.profiles:
            yield f"its profiles are {_listed(self.profiles)}, not {asked.profile}"
        if self.requesters is not None and asked.requester not in self.requesters:
            yield f"its requesters are {_listed(self.requesters)}, not {who}"
        if self.groups is not None and not asked.groups & set(self.groups):
            of = f"is in {_listed(sorted(asked.groups))}" if asked.groups else "is in none"
            yield f"its groups are {_listed(self.groups)}, and {who} {of}"
        if self.sources is not None and asked.source not in self.sources:
            yield f"its sources are {_listed(self.sources)}, not {asked.source}"

    def _mismatches_of_names(self, csr: Csr) -> Iterator[str]:
        if self.every_name is not None:
            patterns = [Pattern.parse(text) for text in self.every_name]
            if not csr.names:
                yield "the CSR has no name that could be among every_name"
            for name in csr.names:
                if not any(pattern.matches(name) for pattern in patterns):
                    yield f"{name} is not among every_name: {_listed(self.every_name)}"
                    break
        if self.any_name is not None:
            patterns = [Pattern.parse(text) for text in self.any_name]
            # Who may not have a name, or not at once, may not have a wildcard that stands for it.
            covers = Pattern.matches if self.action == "sign" else Pattern.touches
            if not any(covers(pattern, name) for pattern in patterns for name in csr.names):
                yield f"no name is among any_name: {_listed(self.any_name)}"

    def _mismatches_of_subtrees(self, subtrees: Collection[Subtree]) -> Iterator[str]:
        """Compare what a CA could speak for; without subtrees that is every name there is."""
        if self.every_name is not None:
            patterns = [Pattern.parse(text) for text in self.every_name]
            if not subtrees:
                yield "this CA could speak for every name, and every_name lists some"
            for subtree in subtrees:
                if not subtree.inside(patterns):
                    yield f"{subtree} is not inside every_name: {_listed(self.every_name)}"
                    break
        if self.any_name is not None and subtrees:
            patterns = [Pattern.parse(text) for text in self.any_name]
            # No name constraint binds user principal names: every CA could speak for all of them.
            unbound = self.action != "sign" and any(pattern.kind == "upn" for pattern in patterns)
            touched = (one.touches(pattern) for pattern in patterns for one in subtrees)
            if not (unbound or any(touched)):
                yield f"this CA could speak for nothing among any_name: {_listed(self.any_name)}"

    @cached_property
    def snapshot(self) -> dict[str, Any]:
        """Every field that says something in plain JSON types, for record and digest; one object for
        all requests, which nobody changes."""
        plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        return {key: value for key, value in plain.items() if value is not None}


def _listed(values: Collection[str]) -> str:
    return ", ".join(values)
