from datetime import timedelta
from typing import Any

import msgspec
import pytest

from pipeline.crypto.profile import Profile, ProfileError
from tests.factories import profile

FULL = {
    "name": "server",
    "description": "TLS servers",
    "validity": "47d",
    "backdate": "1h",
    "keys": ["ec:P-256", "rsa:3072-4096"],
    "key_usage": ["digital_signature", "key_encipherment"],
    "extended_key_usage": ["server_auth", "1.3.6.1.4.1.311.20.2.2"],
    "subject": ["C=DE", "O=Example"],
    "subject_from_csr": ["OU", "CN"],
    "subject_required": ["OU"],
    "extra_subject": "refuse",
    "extra_extensions": "refuse_dangerous",
    "names": ["dns", "ip"],
    "max_names": 7,
    "max_of_kind": ["ip:2"],
    "max_name_length": 100,
    "wildcards": True,
    "idn": True,
    "spiffe": False,
    "ca": False,
    "path_length": 0,
    "permitted_subtrees": [],
    "excluded_subtrees": [],
    "unconstrained": False,
    "certificate_policies": ["2.23.140.1.2.1", "1.3.6.1.4.1.55555.1 https://ca.example.com/cps"],
    "ocsp_no_check": False,
    "crl_distribution_points": ["http://ca.example.com/crl.der"],
    "ocsp": ["http://ocsp.example.com"],
    "ca_issuers": ["http://ca.example.com/issuing.der"],
    "lint": ["rfc5280", "cabf-tls"],
    "issuer": "second",
}

CA = {
    "ca": True,
    "names": [],
    "key_usage": ["key_cert_sign", "crl_sign"],
    "permitted_subtrees": ["DNS:example.com"],
}
CODE = {"names": [], "extended_key_usage": ["code_signing"]}


def test_a_snapshot_is_plain_json_with_every_field_and_makes_the_same_profile() -> None:
    for made in (profile(), msgspec.convert(FULL, Profile)):
        snapshot = made.snapshot
        assert msgspec.json.decode(msgspec.json.encode(snapshot)) == snapshot
        assert set(snapshot) == set(Profile.__struct_fields__)
        assert Profile.from_snapshot(snapshot) == made
    assert msgspec.convert(FULL, Profile).snapshot == FULL


def test_a_snapshot_of_before_the_new_fields_is_read_as_it_was_meant() -> None:
    """What waits was judged under a profile without them; its digest is over the stored snapshot."""
    old = {
        "name": "server",
        "description": "",
        "validity": "90d",
        "backdate": "5m",
        "keys": ["ec:P-256"],
        "key_usage": ["digital_signature"],
        "extended_key_usage": ["server_auth"],
        "names": ["dns"],
        "max_names": 100,
        "max_name_length": 253,
        "wildcards": False,
        "idn": False,
        "crl_distribution_points": [],
        "ocsp": [],
        "ca_issuers": [],
        "issuer": "",
    }
    read = Profile.from_snapshot(old)
    assert read.subject_from_csr == ("CN",)
    assert (read.ca, read.powers, read.extra_extensions) == (False, frozenset(), "drop")


LONG_OID = "1.3.6.1.4.1" + ".9999999999999999999" * 7
"""More octets than the library takes in an OID: nothing could be issued by such a profile."""


@pytest.mark.parametrize(
    ("fields", "powers"),
    [
        ({}, set()),
        ({"extended_key_usage": ["server_auth", "client_auth"]}, set()),
        (CA, {"ca", "free_subject"}),
        (CA | {"subject": ["CN=Branch CA"], "subject_from_csr": []}, {"ca"}),
        (CODE, {"code_signing", "free_subject"}),
        ({"extended_key_usage": ["1.3.6.1.5.5.7.3.3"]}, {"code_signing"}),  # by its number
        ({"extended_key_usage": ["ocsp_signing"]}, {"ocsp_signing"}),
        ({"subject_from_csr": ["O", "CN"]}, {"free_subject"}),
        ({"subject": ["O=Example"]}, set()),
    ],
)
def test_a_profile_has_the_powers_that_no_condition_of_a_rule_looks_at(
    fields: dict[str, Any], powers: set[str]
) -> None:
    assert profile(**fields).powers == powers


def test_durations_and_usages_are_told_in_the_terms_of_certificates() -> None:
    made = msgspec.convert(FULL, Profile)
    assert made.validity_time == timedelta(days=47)
    assert made.backdate_time == timedelta(hours=1)
    assert made.extended_key_usage_oids() == ("1.3.6.1.5.5.7.3.1", "1.3.6.1.4.1.311.20.2.2")


@pytest.mark.parametrize(
    ("wanted", "family", "expected"),
    [
        (
            ["digital_signature", "key_encipherment"],
            "rsa",
            ["digital_signature", "key_encipherment"],
        ),
        (["digital_signature", "key_encipherment"], "ec", ["digital_signature"]),
        (["digital_signature", "key_encipherment"], "ed25519", ["digital_signature"]),
        (["key_encipherment", "data_encipherment"], "ec", []),
        (["digital_signature", "key_agreement"], "ec", ["digital_signature", "key_agreement"]),
        (["digital_signature", "key_agreement"], "rsa", ["digital_signature"]),
        (["digital_signature", "key_agreement"], "ed25519", ["digital_signature"]),
        (["key_agreement", "encipher_only"], "ec", ["key_agreement", "encipher_only"]),
        (["digital_signature", "key_agreement", "encipher_only"], "rsa", ["digital_signature"]),
        (["digital_signature"], "ed448", []),
    ],
)
def test_a_certificate_gets_the_usages_that_its_key_can_do(
    wanted: list[str], family: str, expected: list[str]
) -> None:
    assert list(profile(key_usage=wanted).usages_for(family)) == expected


@pytest.mark.parametrize(
    ("fields", "key", "allowed"),
    [
        ({"validity": "5q"}, "validity", "a whole number and s, m, h, d, w or y"),
        ({"validity": ""}, "validity", "is not a duration"),
        ({"backdate": "-5m"}, "backdate", "is not a duration"),
        ({"validity": "5m", "backdate": "5m"}, "validity", "must be longer than backdate"),
        ({"validity": "0s", "backdate": "0s"}, "validity", "must be longer than backdate"),
        ({"keys": []}, "keys", "list kinds such as ec:P-256"),
        ({"keys": ["rsa:1024"]}, "keys", "RSA keys from 2048"),
        ({"keys": ["ec:P-256", "ec:P-256"]}, "keys", "listed twice"),
        ({"key_usage": []}, "key_usage", "list at least one"),
        ({"key_usage": ["encipher_only"]}, "key_usage", "means nothing without key_agreement"),
        ({"extended_key_usage": ["server"]}, "extended_key_usage", "server_auth, client_auth"),
        ({"extended_key_usage": ["2.5.29.37.0"]}, "extended_key_usage", "would allow every use"),
        ({"extended_key_usage": ["1.99.1"]}, "extended_key_usage", "or a dotted OID"),
        ({"extended_key_usage": [LONG_OID]}, "extended_key_usage", "or a dotted OID"),
        ({"extended_key_usage": ["1.2.03"]}, "extended_key_usage", "or a dotted OID"),
        (
            {"extended_key_usage": ["client_auth", "1.3.6.1.5.5.7.3.2"]},
            "extended_key_usage",
            "its OID",
        ),
        ({"extended_key_usage": ["ocsp_signing", "server_auth"]}, "extended_key_usage", "alone"),
        ({"ocsp_no_check": True}, "ocsp_no_check", "must be ocsp_signing"),
        ({"names": []}, "names", "dns, ip, email, uri"),
        ({"names": [], "extended_key_usage": ["server_auth"]}, "names", "server_auth, can do"),
        (CODE | {"subject_from_csr": []}, "subject_from_csr", "there must be a subject"),
        ({"max_of_kind": ["ip=4"]}, "max_of_kind", "write KIND:COUNT"),
        ({"max_of_kind": ["ip:0"]}, "max_of_kind", "write KIND:COUNT"),
        ({"max_of_kind": ["ip:4"]}, "max_of_kind", "not in names"),
        ({"max_of_kind": ["dns:4", "dns:5"]}, "max_of_kind", "listed twice"),
        ({"spiffe": True}, "spiffe", "add uri to names"),
        ({"subject": ["Example"]}, "subject", "write ATTRIBUTE=VALUE"),
        ({"subject": ["emailAddress=a@example.com"]}, "subject", "with one of C, ST"),
        ({"subject": ["C=Germany"]}, "subject", "in the form that C has"),
        ({"subject": ["O= Example"]}, "subject", "without spaces"),
        ({"subject": ["O="]}, "subject", "1 to 64"),
        ({"subject": ["O=" + "x" * 65]}, "subject", "1 to 64"),
        ({"subject": ["O=a\u202eb"]}, "subject", "visible characters"),
        ({"subject": ["CN=a.test"], "subject_from_csr": []}, "subject", "must be one of the names"),
        (CODE | {"subject": ["O=A"], "subject_from_csr": ["O"]}, "subject_from_csr", "already"),
        ({"subject_required": ["O"]}, "subject_required", "not in subject_from_csr"),
        ({"subject_from_csr": ["CN", "CN"]}, "subject_from_csr", "listed twice"),
        ({"key_usage": ["key_cert_sign"]}, "key_usage", "for CAs only"),
        ({"path_length": 1}, "path_length", "for CAs only"),
        ({"permitted_subtrees": ["DNS:example.com"]}, "permitted_subtrees", "for CAs only"),
        ({"excluded_subtrees": ["DNS:example.com"]}, "excluded_subtrees", "for CAs only"),
        ({"unconstrained": True}, "unconstrained", "for CAs only"),
        (CA | {"names": ["dns"]}, "names", "write names = []"),
        (CA | {"key_usage": ["crl_sign"]}, "key_usage", "needs key_cert_sign"),
        (CA | {"key_usage": ["key_cert_sign", "key_agreement"]}, "key_usage", "is not for CAs"),
        (CA | {"extended_key_usage": ["ocsp_signing"]}, "extended_key_usage", "its own issuer"),
        (CA | {"path_length": -1}, "path_length", "0 to 8"),
        (CA | {"path_length": 9}, "path_length", "0 to 8"),
        (CA | {"permitted_subtrees": []}, "permitted_subtrees", "unconstrained = true"),
        (CA | {"unconstrained": True}, "unconstrained", "leave one of the two out"),
        (CA | {"permitted_subtrees": ["example.com"]}, "permitted_subtrees", "DNS:example.com"),
        (CA | {"permitted_subtrees": ["DNS:*.example.com"]}, "permitted_subtrees", "no place here"),
        (CA | {"permitted_subtrees": ["email:test"]}, "permitted_subtrees", "at least two parts"),
        (CA | {"permitted_subtrees": ["DNS:"]}, "permitted_subtrees", "and a name"),
        (CA | {"permitted_subtrees": ["IP:10.0.0.1/8"]}, "permitted_subtrees", "host bits set"),
        (CA | {"excluded_subtrees": ["URI:exam_ple.com"]}, "excluded_subtrees", "underscore"),
        ({"certificate_policies": ["my policy"]}, "certificate_policies", "write an OID"),
        ({"certificate_policies": [LONG_OID]}, "certificate_policies", "write an OID"),
        ({"certificate_policies": ["1.2.3 ftp://x"]}, "certificate_policies", "URL of a practice"),
        ({"certificate_policies": ["1.2.3", "1.2.3 http://x"]}, "certificate_policies", "twice"),
        ({"certificate_policies": ["2.5.29.32.0"]}, "certificate_policies", "only a CA"),
        ({"max_names": 0}, "max_names", "1 to"),
        ({"max_name_length": 0}, "max_name_length", "1 to 2000"),
        ({"max_name_length": 2**53 + 1}, "max_name_length", "1 to 2000"),
        ({"ocsp": ["ldap://example.com"]}, "ocsp", "http:// or https://"),
        ({"ca_issuers": ["http://exa mple.com"]}, "ca_issuers", "http:// or https://"),
        ({"crl_distribution_points": [""]}, "crl_distribution_points", "http:// or https://"),
    ],
)
def test_a_wrong_value_is_refused_with_its_key_and_what_is_allowed(
    fields: dict[str, Any], key: str, allowed: str
) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        profile(**fields)
    cause = caught.value.__cause__
    assert isinstance(cause, ProfileError)
    assert cause.key == key
    assert allowed in cause.problem


@pytest.mark.parametrize(
    "fields",
    [
        {"unknown": 1},
        {"subject_from_csr": ["emailAddress"]},
        {"extra_subject": "keep"},
        {"extra_extensions": "grant"},
        {"path_length": "none"},
        {"ca": "yes"},
        {"key_usage": ["key_cert_sign"]},  # only a CA has this
        {"names": ["othername"]},
        {"max_names": "3"},
        {"wildcards": "yes"},
        {"validity": 90},
    ],
)
def test_wrong_types_and_unknown_fields_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        profile(**fields)
