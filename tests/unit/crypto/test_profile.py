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
    "names": ["dns", "ip"],
    "max_names": 7,
    "max_name_length": 100,
    "wildcards": True,
    "idn": True,
    "crl_distribution_points": ["http://ca.example.com/crl.der"],
    "ocsp": ["http://ocsp.example.com"],
    "ca_issuers": ["http://ca.example.com/issuing.der"],
    "issuer": "second",
}


def test_a_snapshot_is_plain_json_with_every_field_and_makes_the_same_profile() -> None:
    for made in (profile(), msgspec.convert(FULL, Profile)):
        snapshot = made.snapshot()
        assert msgspec.json.decode(msgspec.json.encode(snapshot)) == snapshot
        assert set(snapshot) == set(Profile.__struct_fields__)
        assert Profile.from_snapshot(snapshot) == made
    assert msgspec.convert(FULL, Profile).snapshot() == FULL


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
        ({"extended_key_usage": ["1.2.03"]}, "extended_key_usage", "or a dotted OID"),
        ({"names": []}, "names", "dns, ip, email, uri"),
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
