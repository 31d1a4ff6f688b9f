from pathlib import Path

import pytest
from cryptography import x509

import settings
from pipeline.crypto import csr as csrs
from pipeline.signer.policy import Policy, Verdict, explain, judge
from pipeline.signer.policy_file import load
from pipeline.signer.reach import out_of_reach
from tests.factories import NOW, csr, openssl_csr, policy, read_csr

EXAMPLE = Path(settings.__file__).with_name("policy.toml")

POLICY = """
[profiles.server]
names = ["dns", "ip"]
[profiles.client]
names = ["email"]

[[rules]]
name = "never"
any_name = ["*.invalid"]
action = "reject"
reason = "Names under .invalid are never issued."

[[rules]]
name = "two approvers"
every_name = ["*.bank.test"]
action = "approve"
quorum = 2

[[rules]]
name = "internal"
profiles = ["server"]
every_name = ["*.test"]
action = "sign"

[[rules]]
name = "ci"
requesters = ["ci"]
sources = ["api"]
action = "sign"
trust_web = true
"""


@pytest.fixture(scope="module")
def rules() -> Policy:
    return policy(POLICY)


def verdict(rules: Policy, *names: str, requester: str | None = None) -> Verdict:
    return judge(rules, read_csr(*names), "server", requester, "api", at=NOW)


def test_the_first_rule_that_matches_decides(rules: Policy) -> None:
    assert verdict(rules, "DNS:a.test").rule == "internal"
    assert verdict(rules, "DNS:a.test").action == "sign"
    found = verdict(rules, "DNS:a.bank.test")
    assert (found.rule, found.action, found.quorum) == ("two approvers", "approve", 2)
    found = verdict(rules, "DNS:a.test", "DNS:b.invalid")
    assert (found.rule, found.action) == ("never", "reject")
    assert found.reason == "Names under .invalid are never issued."


def test_the_default_decides_when_no_rule_matches(rules: Policy) -> None:
    found = verdict(rules, "DNS:a.test", "DNS:www.example.com")
    assert (found.rule, found.action, found.quorum) == ("default", "approve", 1)
    assert found.rule_snapshot == {"name": "default", "action": "approve"}
    assert found.profile == rules.profiles["server"]
    rejecting = policy("default = 'reject'\n" + POLICY)
    found = verdict(rejecting, "DNS:www.example.com")
    assert (found.rule, found.action) == ("default", "reject")
    assert found.reason


def test_a_requester_is_matched_by_name_and_source(rules: Policy) -> None:
    found = verdict(rules, "DNS:www.example.com", requester="ci")
    assert (found.rule, found.action) == ("ci", "sign")
    assert verdict(rules, "DNS:www.example.com", requester="CI").rule == "default"
    csr = read_csr("DNS:www.example.com")
    assert judge(rules, csr, "server", "ci", "web", at=NOW).rule == "default"


def test_the_order_of_names_does_not_matter(rules: Policy) -> None:
    names = ["DNS:a.test", "DNS:b.bank.test", "DNS:c.invalid"]
    assert verdict(rules, *names) == verdict(rules, *reversed(names))


def test_a_verdict_holds_snapshots_of_rule_and_profile(rules: Policy) -> None:
    found = verdict(rules, "DNS:a.test")
    assert found.rule_snapshot["every_name"] == ["*.test"]
    assert found.rule_snapshot["action"] == "sign"
    assert found.profile is not None
    assert found.profile.snapshot["name"] == "server"


def test_an_unknown_profile_is_a_rejection_that_names_the_known_ones(rules: Policy) -> None:
    found = judge(rules, read_csr("DNS:a.test"), "srever\x1b", None, "api", at=NOW)
    assert (found.action, found.rule, found.profile) == ("reject", "profile", None)
    assert found.reason == "There is no profile “srever\\x1b”. Choose one of: server, client."


def test_what_the_profile_does_not_allow_is_a_rejection_before_any_rule(rules: Policy) -> None:
    for octets, slug in (
        (csr(["email:a@b.test"]), "name-not-allowed"),
        (csr([]), "no-names"),
        (csr([f"DNS:n{n}.test" for n in range(101)]), "too-many-names"),
        (
            csr(["DNS:a.test", x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))]),
            "name-not-allowed",
        ),
        (openssl_csr("ec:P-521"), "key-not-allowed"),
    ):
        found = judge(rules, csrs.read(octets), "server", "ci", "api", at=NOW)
        assert (found.action, found.rule) == ("reject", "profile")
        assert found.rule_snapshot["slug"] == slug
        assert found.profile == rules.profiles["server"]
        assert 20 < len(found.reason) < 2000


def test_an_explanation_tells_of_each_rule_why_it_did_not_match(rules: Policy) -> None:
    found = explain(rules, read_csr("DNS:a.test"), "server", None, "api", at=NOW)
    assert found.verdict == verdict(rules, "DNS:a.test")
    assert [(trial.rule, trial.matched) for trial in found.trials] == [
        ("never", False),
        ("two approvers", False),
        ("internal", True),
    ]
    assert found.trials[0].mismatches == ("no name is among any_name: *.invalid",)
    assert found.trials[2].mismatches == ()


def test_an_explanation_without_a_match_tries_every_rule(rules: Policy) -> None:
    found = explain(rules, read_csr("DNS:www.example.com"), "server", "other", "web", at=NOW)
    assert found.verdict.rule == "default"
    assert [trial.matched for trial in found.trials] == [False] * 4
    assert len(found.trials[3].mismatches) == 2


def test_an_explanation_of_a_refused_csr_tries_no_rule(rules: Policy) -> None:
    found = explain(rules, read_csr("IP:192.0.2.1"), "client", None, "api", at=NOW)
    assert found.verdict.rule == "profile"
    assert found.trials == ()


@pytest.mark.parametrize(
    ("names", "profile", "action"),
    [
        (["DNS:www.example.test"], "server", "sign"),
        (["DNS:db.internal", "DNS:a.b.localhost"], "server", "sign"),
        (["DNS:*.apps.test"], "server", "sign"),
        (["DNS:alice.test"], "client", "sign"),
        (["DNS:www.example.com"], "server", "approve"),
        (["DNS:www.example.test", "DNS:www.example.com"], "server", "approve"),
        (["DNS:localhost"], "server", "approve"),
        (["DNS:latest"], "server", "approve"),
        (["IP:192.0.2.1"], "server", "approve"),
        (["email:a@example.com"], "client", "approve"),
        (["DNS:www.example.invalid"], "server", "reject"),
        (["DNS:www.example.test", "DNS:a.invalid"], "server", "reject"),
        (["IP:192.0.2.1"], "client", "reject"),
        (["DNS:*.apps.test"], "client", "reject"),
        (["email:a@example.com"], "server", "reject"),
    ],
)
def test_the_shipped_policy_does_what_its_comments_say(
    names: list[str], profile: str, action: str
) -> None:
    assert judge(load(EXAMPLE), read_csr(*names), profile, None, "web", at=NOW).action == action


PEOPLE = """
[groups]
build = ["ci"]
[approvers]
security = ["approver-a", "approver-b", "approver-c"]
[same_person]
approver-a = ["requester-a", "Requester A"]
[profiles.server]
[[rules]]
name = "build"
groups = ["build"]
action = "sign"
trust_web = true
limit = ["2/hour", "10/day"]
over_limit = "approve"
quorum = 2
approvers = "security"
[[rules]]
name = "security decides"
every_name = ["*.test"]
action = "approve"
quorum = 2
approvers = "security"
expires = "7d"
remind_after = "4h"
"""


def test_a_snapshot_holds_the_set_of_approvers_as_it_stood() -> None:
    before = judge(policy(PEOPLE), read_csr(), "server", None, "api", at=NOW)
    assert before.rule_snapshot["approvers"] == "security"
    assert before.rule_snapshot["approver_names"] == ["approver-a", "approver-b", "approver-c"]
    more = policy(PEOPLE.replace('"approver-c"', '"approver-c", "approver-d"'))
    after = judge(more, read_csr(), "server", None, "api", at=NOW)
    assert after.rule_snapshot["approver_names"] == [
        "approver-a",
        "approver-b",
        "approver-c",
        "approver-d",
    ]
    assert more.digest != policy(PEOPLE).digest


def test_a_snapshot_says_which_approver_asked_under_another_name() -> None:
    rules = policy(PEOPLE)
    for requester, own in (
        ("requester-a", ["approver-a"]),
        ("REQUESTER-A", ["approver-a"]),
        ("approver-b", None),
    ):
        found = judge(rules, read_csr(), "server", requester, "api", at=NOW)
        assert found.rule_snapshot.get("own") == own
    default = judge(rules, read_csr("DNS:a.example"), "server", "requester-a", "api", at=NOW)
    assert default.rule_snapshot == {"name": "default", "action": "approve", "own": ["approver-a"]}


def test_a_requester_is_matched_by_group_and_an_explanation_may_suppose_one() -> None:
    rules = policy(PEOPLE)
    assert judge(rules, read_csr(), "server", "ci", "api", at=NOW).rule == "build"
    assert judge(rules, read_csr(), "server", "other", "api", at=NOW).rule == "security decides"
    supposed = explain(rules, read_csr(), "server", None, "api", at=NOW, groups=["build"])
    assert supposed.verdict.rule == "build"


def test_approvers_whom_the_signer_does_not_trust_are_out_of_reach() -> None:
    rules = policy(PEOPLE)
    assert list(out_of_reach(rules, {"approver-a", "approver-b"})) == []
    problems = list(out_of_reach(rules, {"approver-a", "approver-d"}))
    assert len(problems) == 2
    assert "'security decides' asks for 2 approvers, and this signer trusts 1" in problems[1]
    assert "default" in list(out_of_reach(rules, set()))[-1]


ONE, TWO = {"approver-a"}, {"approver-a", "approver-b"}


@pytest.mark.parametrize(
    ("rule", "trusted", "refused"),
    [
        ('requesters = ["approver-a"]', ONE, True),
        ('requesters = ["Approver-A"]', ONE, True),  # names that differ in case only are one
        ('requesters = ["known-as"]', ONE, True),
        ('requesters = ["approver-a"]', TWO, False),
        ('requesters = ["approver-a"]\napprovers = "one"', TWO, True),
        ('requesters = ["approver-a", "approver-b"]', TWO, False),  # each for the other
        ('requesters = ["approver-a", "approver-b"]\nquorum = 2', TWO, True),
        ('requesters = ["approver-a", "ci"]', ONE, False),
        ('groups = ["themselves"]', ONE, True),
        ('groups = ["everybody"]', ONE, False),
        ('groups = ["everybody"]\nrequesters = ["approver-a"]', ONE, True),
        ('groups = ["others"]\nrequesters = ["approver-a"]', ONE, False),  # it matches nobody
        ("", ONE, False),
    ],
)
def test_a_rule_for_those_who_approve_it_themselves_is_out_of_reach(
    rule: str, trusted: set[str], refused: bool
) -> None:
    rules = policy(f"""
        [approvers]
        one = ["approver-a"]
        [groups]
        themselves = ["approver-a"]
        everybody = ["approver-a", "ci"]
        others = ["ci"]
        [same_person]
        approver-a = ["known-as"]
        [profiles.server]
        extended_key_usage = ["server_auth"]
        [[rules]]
        name = "asked"
        action = "approve"
        {rule}
    """)
    found = list(out_of_reach(rules, trusted))
    assert ["nobody approves their own request" in one for one in found] == [True] * refused
