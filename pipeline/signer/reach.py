"""Whether the approvers whom this signer trusts could approve what a policy lets wait (pure)."""

from collections.abc import Collection, Iterator

from pipeline.signer.policy import DEFAULT, Policy


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
    if policy.default == "approve" and not trusted:
        yield (f'{DEFAULT} = "approve" asks for an approver, and this signer trusts none: {remedy}')
