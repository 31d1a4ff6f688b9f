"""What no condition of a rule looks at (a CA, signed programs, a responder, free text) is never signed
at once unless the rule says so; and for a CA, rules compare all that it could speak for."""

import pytest

from pipeline.crypto import csr as csrs
from pipeline.crypto.patterns import Pattern
from pipeline.crypto.subtrees import parse
from pipeline.errors import SettingsError
from pipeline.signer.issuers import Issuers
from pipeline.signer.policy import Verdict, explain, judge
from pipeline.signer.reach import without_room
from tests.factories import NOW, csr, issuer, openssl_csr, policy, read_csr

PROFILES = """
[profiles.server]
extended_key_usage = ["server_auth"]
[profiles.organisation]
subject_from_csr = ["O", "CN"]
[profiles.code]
extended_key_usage = ["code_signing"]
names = []
[profiles.responder]
extended_key_usage = ["ocsp_signing"]
[profiles.branch]
ca = true
names = []
key_usage = ["key_cert_sign"]
permitted_subtrees = ["DNS:branch.example.test", "IP:10.1.0.0/16"]
[profiles.any-ca]
ca = true
names = []
key_usage = ["key_cert_sign"]
unconstrained = true
"""
SIGNS = '[[rules]]\nname = "signs"\naction = "sign"\n'


def verdict(rules: str, profile: str) -> Verdict:
    nameless = profile in ("code", "branch", "any-ca")
    asked = csr([] if nameless else ["DNS:a.example.test"], common_name="x" if nameless else None)
    return judge(policy(PROFILES + rules), csrs.read(asked), profile, "ci", "api", at=NOW)


def test_a_rule_without_conditions_signs_only_what_gives_no_power() -> None:
    assert verdict(SIGNS, "server").action == "sign"
    for profile in ("organisation", "code", "responder", "branch", "any-ca"):
        found = verdict(SIGNS, profile)
        assert (found.action, found.rule) == ("approve", "default")


@pytest.mark.parametrize(
    ("profile", "powers"),
    [
        ("organisation", '"free_subject"'),
        ("code", '"code_signing", "free_subject"'),
        ("responder", '"ocsp_signing"'),
        ("branch", '"ca", "free_subject"'),
        ("any-ca", '"ca", "free_subject"'),
    ],
)
def test_a_rule_that_lists_the_powers_signs_and_one_that_lists_some_is_refused(
    profile: str, powers: str
) -> None:
    named = f'{SIGNS}profiles = ["{profile}"]\n'
    assert verdict(f"{named}powers = [{powers}]", profile).action == "sign"
    assert verdict(f"{SIGNS}powers = [{powers}]", profile).action == "sign"
    assert verdict(f"{SIGNS}powers = [{powers}]", "server").action == "sign"
    with pytest.raises(SettingsError, match=rf"rules\[0\]\.powers \(line \d+\): .*{profile}"):
        policy(PROFILES + named)


def test_an_explanation_says_which_power_a_rule_does_not_list() -> None:
    found = explain(
        policy(PROFILES + SIGNS), read_csr("DNS:a.example.test"), "responder", None, "api", at=NOW
    )
    (trial,) = found.trials
    assert trial.mismatches == (
        "it signs at once, and profile responder gives ocsp_signing, which is not in its powers",
    )


def test_only_rules_that_sign_have_powers() -> None:
    with pytest.raises(SettingsError, match=r"powers \(line \d+\): only a rule that says sign"):
        policy(PROFILES + '[[rules]]\nname="r"\naction="approve"\npowers=["ca"]\n')
    with pytest.raises(SettingsError, match=r"found \['root'\]; allowed are ca, code_signing"):
        policy(PROFILES + SIGNS + 'powers = ["root"]\n')


def test_without_names_every_name_matches_nothing() -> None:
    """Each of no names is among the patterns: taken by the letter, everything would be signed."""
    rules = f'{SIGNS}powers = ["code_signing", "free_subject"]\nevery_name = ["*.test"]\n'
    assert verdict(rules, "code").rule == "default"
    assert verdict(rules, "server").rule == "signs"


@pytest.mark.parametrize(
    ("condition", "matches"),
    [
        ('every_name = ["*.example.test", "10.0.0.0/8"]', True),
        ('every_name = ["*.branch.example.test", "branch.example.test", "10.1.0.0/16"]', True),
        ('every_name = ["*.branch.example.test", "10.0.0.0/8"]', False),  # not the host itself
        ('every_name = ["*.example.test"]', False),  # the addresses are not covered
        ('every_name = ["*.www.branch.example.test", "10.0.0.0/8"]', False),
        ('every_name = ["*.example.test", "10.1.0.0/24"]', False),
        ('every_name = ["*.example.test", "fd00::/8"]', False),
        ('any_name = ["*.branch.example.test"]', True),
        ('any_name = ["secret.branch.example.test"]', True),  # it could speak for this
        ('any_name = ["*.test"]', True),
        ('any_name = ["*.evilbranch.example.test"]', False),
        ('any_name = ["10.0.0.0/8"]', True),
        ('any_name = ["10.1.2.3"]', True),
        ('any_name = ["10.2.0.0/16"]', False),
        ('any_name = ["*@branch.example.test"]', False),  # closed: no e-mail is permitted
        ('any_name = ["UPN:*@corp.test"]', True),  # which no constraint binds
    ],
)
def test_for_a_ca_rules_compare_all_that_it_could_speak_for(condition: str, matches: bool) -> None:
    rules = f'[[rules]]\nname = "r"\naction = "reject"\nreason = "no"\n{condition}\n'
    assert verdict(rules, "branch").rule == ("r" if matches else "default")


def test_nothing_is_signed_at_once_for_what_no_constraint_binds() -> None:
    rules = '[[rules]]\nname = "r"\naction = "sign"\npowers = ["ca", "free_subject"]\n'
    assert verdict(f'{rules}any_name = ["10.0.0.0/8"]\n', "branch").rule == "r"
    assert verdict(f'{rules}any_name = ["UPN:*@corp.test"]\n', "branch").rule == "default"


def test_an_unconstrained_ca_is_inside_of_nothing_and_touches_everything() -> None:
    reject = '[[rules]]\nname = "r"\naction = "reject"\nreason = "no"\n'
    assert verdict(f'{reject}every_name = ["*.test"]\n', "any-ca").rule == "default"
    assert verdict(f'{reject}any_name = ["*.invalid"]\n', "any-ca").rule == "r"


@pytest.mark.parametrize(
    ("subtree", "patterns", "inside", "touches"),
    [
        ("email:example.test", ["*@example.test"], True, True),
        ("email:example.test", ["user@example.test"], False, True),
        ("email:.example.test", ["*@a.example.test"], False, True),
        ("email:user@example.test", ["*@example.test"], True, True),
        ("email:user@example.test", ["user@example.test"], True, True),
        ("email:user@example.test", ["*@other.test"], False, False),
        ("URI:example.test", ["spiffe://example.test/*"], False, True),
        ("URI:.example.test", ["https://a.example.test/*"], False, True),
        ("URI:example.test", ["https://example.test:8443/x"], False, True),
        ("URI:example.test", ["https://example.test?x"], False, True),
        ("URI:example.test", ["https://other.test/*"], False, False),
        ("DNS:example.test", ["*@example.test"], False, False),  # of another kind
        ("IP:fd00::/16", ["fd00::/8"], True, True),
        ("IP:10.0.0.0/8", ["::/0"], False, False),
    ],
)
def test_a_set_of_names_is_inside_patterns_and_touches_them(
    subtree: str, patterns: list[str], inside: bool, touches: bool
) -> None:
    found, read = parse(subtree), [Pattern.parse(text) for text in patterns]
    assert found.inside(read) == inside
    assert any(found.touches(pattern) for pattern in read) == touches


def test_a_profile_of_cas_whose_issuer_leaves_no_room_is_told() -> None:
    found = policy(PROFILES)
    sentences = list(without_room(found, Issuers([issuer()])))
    assert [sentence.partition(" makes")[0] for sentence in sentences] == [
        "the profile 'branch'",
        "the profile 'any-ca'",
    ]
    assert "allows 0 CAs below it" in sentences[0]
    assert list(without_room(found, Issuers([issuer(path_length=1)]))) == []


def test_the_order_of_items_in_a_csr_changes_no_verdict() -> None:
    rules = f'{SIGNS}every_name = ["*.example.test"]\n'
    orders = (["/O=A/OU=B/CN=a.example.test"], ["/CN=a.example.test/OU=B/O=A"])
    names = ("DNS:a.example.test", "DNS:b.example.test")
    verdicts = {
        (found.action, found.rule, found.reason)
        for (subject,) in orders
        for order in (names, names[::-1])
        for found in [
            judge(
                policy(PROFILES + rules),
                csrs.read(openssl_csr(names=order, subject=subject)),
                "organisation",
                None,
                "api",
                at=NOW,
            )
        ]
    }
    assert len(verdicts) == 1
