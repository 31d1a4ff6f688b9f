from typing import Any

import msgspec
import pytest

from pipeline.signer.rules import Asked, Rule, RuleError
from tests.factories import NOW, read_csr


def rule(**fields: Any) -> Rule:
    return msgspec.convert({"name": "r", "action": "approve", **fields}, Rule)


def asked(**fields: Any) -> Asked:
    known: dict[str, Any] = {"profile": "server", "requester": "ci", "source": "api", "at": NOW}
    return Asked(**known | fields)


NAMES = ("DNS:a.test", "DNS:b.internal")

MATCHES: list[dict[str, Any]] = [
    {},
    {"profiles": ["server"]},
    {"profiles": ["client", "server"]},
    {"every_name": ["*.test", "*.internal"]},
    {"every_name": ["a.test", "b.internal", "c.test"]},
    {"any_name": ["*.internal"]},
    {"any_name": ["*.invalid", "a.test"]},
    {"requesters": ["ci"]},
    {"sources": ["api", "web"]},
    {"keys": ["ec:P-256"]},
    {"keys": ["rsa:2048-4096", "ec:P-256"]},
    {"profiles": ["server"], "any_name": ["*.test"], "requesters": ["ci"], "sources": ["api"]},
]

DOES_NOT_MATCH: list[tuple[dict[str, Any], str]] = [
    ({"profiles": ["client"]}, "its profiles are client, not server"),
    ({"every_name": ["*.test"]}, "DNS:b.internal is not among every_name: *.test"),
    ({"every_name": ["*.a.test", "*.internal"]}, "DNS:a.test is not among every_name"),
    ({"any_name": ["*.invalid"]}, "no name is among any_name: *.invalid"),
    ({"any_name": ["*.a.test"]}, "no name is among any_name"),
    ({"requesters": ["somebody", "else"]}, "its requesters are somebody, else, not ci"),
    ({"sources": ["web"]}, "its sources are web, not api"),
    ({"keys": ["rsa:2048-4096"]}, "its keys are rsa:2048-4096, not ec:P-256"),
    ({"any_name": ["*.test"], "sources": ["web"]}, "its sources are web, not api"),
]


@pytest.mark.parametrize("fields", MATCHES)
def test_a_rule_matches_when_all_of_its_conditions_do(fields: dict[str, Any]) -> None:
    assert list(rule(**fields).mismatches(read_csr(*NAMES), asked())) == []


@pytest.mark.parametrize(("fields", "why"), DOES_NOT_MATCH)
def test_a_rule_says_why_it_does_not_match(fields: dict[str, Any], why: str) -> None:
    (mismatch,) = rule(**fields).mismatches(read_csr(*NAMES), asked())
    assert why in mismatch


def test_an_anonymous_requester_matches_no_rule_that_names_requesters() -> None:
    (mismatch,) = rule(requesters=["ci"]).mismatches(read_csr(), asked(requester=None))
    assert mismatch == "its requesters are ci, not anonymous"


def test_every_condition_that_does_not_hold_is_told() -> None:
    strict = rule(profiles=["client"], sources=["web"], keys=["ed25519"], any_name=["x.test"])
    assert len(list(strict.mismatches(read_csr(), asked(requester=None)))) == 4


def test_a_snapshot_makes_the_same_rule() -> None:
    made = rule(every_name=["*.test"], action="sign", requesters=["ci"], trust_web=True)
    snapshot = made.snapshot
    assert msgspec.json.decode(msgspec.json.encode(snapshot)) == snapshot
    assert msgspec.convert(snapshot, Rule) == made


@pytest.mark.parametrize(
    ("fields", "key", "allowed"),
    [
        ({"name": ""}, "name", "1 to 200 visible characters"),
        ({"name": "a\x1b"}, "name", "1 to 200 visible characters"),
        ({"name": "default"}, "name", "choose another"),
        ({"name": "profile"}, "name", "choose another"),
        ({"every_name": []}, "every_name", "leave the key out"),
        ({"profiles": []}, "profiles", "leave the key out"),
        ({"every_name": ["*.*.test"]}, "every_name", "*.example.com (every name below it"),
        ({"any_name": ["f*o.test"]}, "any_name", "a pattern is one of"),
        ({"keys": ["rsa:512"]}, "keys", "RSA keys from 2048"),
        ({"action": "reject"}, "reason", "says why"),
        ({"action": "reject", "reason": "  "}, "reason", "says why"),
        ({"action": "reject", "reason": "x" * 1001}, "reason", "at most 1000"),
        ({"reason": "because"}, "reason", "only a rule that rejects"),
        ({"quorum": 0}, "quorum", "1 to 20"),
        ({"quorum": 21}, "quorum", "1 to 20"),
        ({"action": "sign", "quorum": 2}, "quorum", "only a rule that says approve"),
        ({"action": "sign", "requesters": ["ci"]}, "trust_web", "write trust_web = true"),
        ({"action": "sign", "sources": ["api"]}, "trust_web", "because of sources"),
        (
            {"action": "sign", "sources": ["api"], "requesters": ["ci"]},
            "trust_web",
            "because of requesters and sources",
        ),
    ],
)
def test_a_wrong_value_is_refused_with_its_key_and_what_is_allowed(
    fields: dict[str, Any], key: str, allowed: str
) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        rule(**fields)
    cause = caught.value.__cause__
    assert isinstance(cause, RuleError)
    assert cause.key == key
    assert allowed in cause.problem


def test_the_web_sides_word_is_enough_where_somebody_decides_or_it_is_trusted() -> None:
    assert rule(action="approve", requesters=["ci"]).requesters == ("ci",)
    assert rule(action="sign", requesters=["ci"], trust_web=True).trust_web
