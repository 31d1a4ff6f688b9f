"""Two policies against the requests that really came: which would have met another verdict."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from pipeline.crypto import csr as csrs
from pipeline.database.engine import AnyRow, Database
from pipeline.errors import RequesterError
from pipeline.signer.policy import Policy, Verdict, judge
from pipeline.signer.tables import requests, submissions


@dataclass(frozen=True, slots=True)
class Difference:
    """One request that would meet another verdict; ``what`` names the members that differ."""

    row: AnyRow
    names: tuple[str, ...]
    old: Verdict
    new: Verdict
    what: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """``looked_at`` counts the requests that were tried, ``unreadable`` those of them whose CSR no
    policy ever saw."""

    looked_at: int
    unreadable: int
    differences: tuple[Difference, ...]


def compare(database: Database, old: Policy, new: Policy, last: int) -> Comparison:
    """Try the ``last`` newest requests under both policies, each as it came, when it came."""
    newest = (
        select(requests.c.id).order_by(requests.c.created_at.desc(), requests.c.id).limit(last)
    ).subquery()
    statement = (
        select(requests.c.id, requests.c.state, requests.c.created_at, submissions)
        .join_from(newest, requests, newest.c.id == requests.c.id)
        .join(submissions, submissions.c.request_id == requests.c.id)
        .order_by(requests.c.created_at.desc(), requests.c.id)
    )
    looked_at = unreadable = 0
    differences = []
    with database.read() as connection:
        for row in connection.execute(statement):
            looked_at += 1
            try:
                csr = csrs.read(row.csr)
            except RequesterError:
                unreadable += 1
                continue
            before, after = (
                judge(policy, csr, row.profile_name, row.requester, row.source, at=row.created_at)
                for policy in (old, new)
            )
            what = _what_differs(before, after)
            if what:
                names = tuple(str(name) for name in csr.names)
                differences.append(Difference(row, names, before, after, what))
    return Comparison(looked_at, unreadable, tuple(differences))


def _what_differs(old: Verdict, new: Verdict) -> tuple[str, ...]:
    """Return in what the verdicts differ for requester and approvers; a rule's name is no verdict."""
    before, after = _members(old), _members(new)
    return tuple(key for key in before if before[key] != after[key])


def _members(verdict: Verdict) -> dict[str, Any]:
    rule = verdict.rule_snapshot
    signs = verdict.action != "reject"
    return {
        "action": verdict.action,
        "reason": verdict.reason,
        "quorum": verdict.quorum,
        "approvers": rule.get("approver_names"),
        "own": rule.get("own"),
        "expires": rule.get("expires"),
        "limit": rule.get("limit"),
        "over_limit": rule.get("over_limit"),
        "key_reuse": rule.get("key_reuse"),
        "profile": verdict.profile.snapshot if signs and verdict.profile is not None else None,
    }
