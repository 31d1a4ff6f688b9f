"""Whether a policy that is right in itself can work with this signer's approvers and CAs (pure)."""

from collections.abc import Collection, Iterator

from pipeline.quorum import COUNTED, admitted
from pipeline.signer.issuers import Issuers
from pipeline.signer.policy import DEFAULT, Policy
from pipeline.signer.rules import Rule


def unfit(policy: Policy, trusted: Collection[str], issuers: Issuers) -> Iterator[str]:
    """Yield a sentence for each thing by which the policy cannot work with this signer."""
    yield from out_of_reach(policy, trusted)
    yield from without_room(policy, issuers)


def out_of_reach(policy: Policy, trusted: Collection[str]) -> Iterator[str]:
    """Yield a sentence for each rule by which nobody could approve anything.

    ``trusted`` are the names of the approvers whose certificates the signer accepts.
    """
    remedy = "trust more approvers (a certificate each, in trusted/), or ask for fewer"
    for rule in policy.rules:
        if not rule.asks_approvers:
            continue
        of_set = set(trusted)
        if rule.approvers is not None:
            of_set &= set(policy.people.approvers[rule.approvers])
        if len(of_set) < rule.quorum:
            yield (
                f"the rule {rule.name!r} asks for {rule.quorum} approvers, and this signer trusts"
                f" {len(of_set)} of them: {remedy}"
            )
        elif _all_are_their_own_approvers(policy, rule, of_set):
            yield (
                f"the rule {rule.name!r} is for requesters who are its approvers themselves, and"
                f" nobody approves their own request: {remedy}"
            )
    if policy.default == "approve" and not trusted:
        yield (f'{DEFAULT} = "approve" asks for an approver, and this signer trusts none: {remedy}')


def _all_are_their_own_approvers(policy: Policy, rule: Rule, approvers: Collection[str]) -> bool:
    """Say whether too few approvers are left of a rule for whoever of its requesters asks."""
    askers = _askers(policy, rule)

    def left(asker: str) -> int:
        own = {"own": policy.people.own(asker)}
        return sum(admitted(own, asker, one) == COUNTED for one in approvers)

    return bool(askers) and all(left(asker) < rule.quorum for asker in askers)


def _askers(policy: Policy, rule: Rule) -> set[str]:
    """Return the requesters whom a rule is for; none when it is for anybody, or for nobody."""
    named = [set(rule.requesters)] if rule.requesters is not None else []
    if rule.groups is not None:
        named.append({one for name in rule.groups for one in policy.people.groups[name]})
    return set.intersection(*named) if named else set()


def without_room(policy: Policy, issuers: Issuers) -> Iterator[str]:
    """Yield a sentence for each profile of CAs that its issuing CA leaves no room for."""
    for profile in policy.profiles.values():
        if not profile.ca:
            continue
        issuer = issuers.chosen(profile.issuer)
        if not issuer.has_room_for(profile.path_length):
            yield (
                f"the profile {profile.name!r} makes CAs of path length {profile.path_length}, and"
                f" its issuing CA {issuer.name!r} allows {issuer.room} CAs below it: name another by"
                " issuer, or take the profile out"
            )
