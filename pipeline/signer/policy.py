"""The policy: from a CSR and who asked for it to a verdict, by ordered rules (pure).

The first rule that matches decides; when none does, the default. ``judge`` never raises because of
what a requester sent: a profile that does not exist or does not allow the CSR is a rejection.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from pipeline.crypto.check import check
from pipeline.crypto.csr import Csr
from pipeline.crypto.profile import Profile
from pipeline.crypto.visible import visible
from pipeline.errors import N_, Refused
from pipeline.signer.people import People
from pipeline.signer.rules import Action, Asked, Rule

DEFAULT: Final = "default"
"""What a verdict names as its rule when no rule matched."""

PROFILE: Final = "profile"
"""What a verdict names as its rule when the profile does not exist or does not allow the CSR."""

UNKNOWN_PROFILE: Final = N_("There is no profile “%(profile)s”. Choose one of: %(allowed)s.")
DEFAULT_REASON: Final = N_("No rule of this certificate authority allows the request.")


class Policy(msgspec.Struct, frozen=True):
    """Profiles by name, rules in order, people, and what happens when no rule matches.

    ``digest`` is the SHA-256 (hex) of the policy's content in canonical JSON (RFC 8785), so
    comments and layout of its file do not change it.
    """

    profiles: dict[str, Profile]
    rules: tuple[Rule, ...]
    default: Literal["approve", "reject"]
    digest: str
    people: People = People()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the policy says of a request.

    ``rule`` is the name of the rule that decided, or ``default`` or ``profile``; ``profile`` is
    None only when the requested one does not exist; ``reason`` the sentence to a rejected requester.
    """

    action: Action
    rule: str
    rule_snapshot: dict[str, Any]
    profile: Profile | None
    reason: str = ""
    quorum: int = 1


@dataclass(frozen=True, slots=True)
class Trial:
    """How one rule met a request: ``mismatches`` says why it did not match."""

    rule: str
    action: Action
    matched: bool
    mismatches: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A verdict and the rules that were tried on the way to it, in order."""

    verdict: Verdict
    trials: tuple[Trial, ...]


def judge(
    policy: Policy,
    csr: Csr,
    profile_name: str,
    requester: str | None,
    source: str,
    *,
    at: datetime,
    groups: Collection[str] = (),
) -> Verdict:
    """Return the verdict on a request that arrives at the moment ``at``. Limits do not show here.

    ``requester`` is the name of a known requester, or None; ``source`` the door the request came in
    by (``web``, ``api``, ...). Both are the web side's word. ``groups`` are added to those that the
    requester belongs to.
    """
    refusal = _refusal(policy, csr, profile_name)
    if refusal is not None:
        return refusal
    profile = policy.profiles[profile_name]
    asked = _asked(policy, profile_name, requester, source, at, groups)
    for rule in policy.rules:
        if next(rule.mismatches(csr, asked), None) is None:
            return _verdict(policy, rule, profile, requester)
    return _default(policy, profile, requester)


def explain(
    policy: Policy,
    csr: Csr,
    profile_name: str,
    requester: str | None,
    source: str,
    *,
    at: datetime,
    groups: Collection[str] = (),
) -> Explanation:
    """Return the same verdict as :func:`judge`, with why each rule before did not match."""
    verdict = judge(policy, csr, profile_name, requester, source, at=at, groups=groups)
    trials = []
    if verdict.rule != PROFILE:
        asked = _asked(policy, profile_name, requester, source, at, groups)
        for rule in policy.rules:
            mismatches = tuple(rule.mismatches(csr, asked))
            trials.append(Trial(rule.name, rule.action, not mismatches, mismatches))
            if not mismatches:
                break
    return Explanation(verdict, tuple(trials))


def _asked(
    policy: Policy,
    profile_name: str,
    requester: str | None,
    source: str,
    at: datetime,
    groups: Collection[str],
) -> Asked:
    profile = policy.profiles[profile_name]
    return Asked(
        profile_name,
        requester,
        source,
        at,
        policy.people.groups_of(requester) | frozenset(groups),
        profile.powers,
        profile.reach() if profile.ca else None,
    )


def _refusal(policy: Policy, csr: Csr, profile_name: str) -> Verdict | None:
    profile = policy.profiles.get(profile_name)
    try:
        if profile is None:
            raise Refused(
                "unknown-profile",
                UNKNOWN_PROFILE,
                profile=visible(profile_name, 60),
                allowed=", ".join(policy.profiles),
            )
        check(csr, profile)
    except Refused as refused:
        snapshot = {"name": PROFILE, "action": "reject", "slug": refused.slug}
        return Verdict("reject", PROFILE, snapshot, profile, str(refused))
    return None


def _verdict(policy: Policy, rule: Rule, profile: Profile, requester: str | None) -> Verdict:
    snapshot = rule.snapshot
    if rule.asks_approvers:
        if rule.approvers is not None:
            snapshot = snapshot | {"approver_names": list(policy.people.approvers[rule.approvers])}
        snapshot = snapshot | _own(policy, requester)
    return Verdict(
        rule.action, rule.name, snapshot, profile, reason=rule.reason, quorum=rule.quorum
    )


def _default(policy: Policy, profile: Profile, requester: str | None) -> Verdict:
    snapshot = {"name": DEFAULT, "action": policy.default}
    reason = DEFAULT_REASON if policy.default == "reject" else ""
    if policy.default == "approve":
        snapshot |= _own(policy, requester)
    return Verdict(policy.default, DEFAULT, snapshot, profile, reason=reason)


def _own(policy: Policy, requester: str | None) -> dict[str, Any]:
    """Return the approvers who asked under another name, so that they do not count."""
    own = policy.people.own(requester)
    return {"own": own} if own else {}
