"""Extensions that a CSR asks for: dropped and told, or refused, and never taken over."""

from typing import Any

import pytest
from cryptography import x509

from pipeline.crypto import check, told
from pipeline.crypto import csr as csrs
from pipeline.errors import Refused
from tests.factories import openssl_csr, profile, read_csr

CA = {
    "ca": True,
    "names": [],
    "key_usage": ["key_cert_sign", "crl_sign"],
    "unconstrained": True,
}
USAGES = {
    "key_usage": ["digital_signature", "key_encipherment"],
    "extended_key_usage": ["server_auth"],
}


def dropped(*extensions: str, **fields: Any) -> list[str]:
    """Return what is dropped of a CSR with these extensions, as openssl writes them."""
    options = tuple(part for text in extensions for part in ("-addext", text))
    names = () if fields.get("ca") else ("DNS:a.test",)
    found = csrs.read(openssl_csr(names=names, subject="/CN=a.test", options=options))
    return [text for text in told.dropped(found, profile(**fields)) if "extension" in text]


@pytest.mark.parametrize(
    ("extension", "fields"),
    [
        ("basicConstraints=CA:FALSE", {}),
        ("keyUsage=digitalSignature", {}),
        ("keyUsage=digitalSignature,keyEncipherment", USAGES),
        ("extendedKeyUsage=serverAuth", USAGES),
        ("basicConstraints=critical,CA:TRUE", CA),
        ("basicConstraints=critical,CA:TRUE,pathlen:0", CA),
        ("keyUsage=keyCertSign", CA),
        ("noCheck=NULL", {"extended_key_usage": ["ocsp_signing"], "ocsp_no_check": True}),
    ],
)
def test_what_the_certificate_has_anyway_is_not_dropped(
    extension: str, fields: dict[str, Any]
) -> None:
    assert dropped(extension, **fields) == []


BEYOND = ", a power that the profile does not give"


@pytest.mark.parametrize(
    ("extension", "fields", "shown"),
    [
        ("keyUsage=keyEncipherment", {}, "keyUsage (key_encipherment)"),
        (
            "keyUsage=keyAgreement,encipherOnly",
            {"key_usage": ["digital_signature", "key_agreement"]},
            "keyUsage (key_agreement, encipher_only)",
        ),
        ("extendedKeyUsage=clientAuth", USAGES, "extendedKeyUsage (1.3.6.1.5.5.7.3.2)"),
        ("1.2.3.4=ASN1:UTF8String:x", {}, "1.2.3.4"),
        ("tlsfeature=status_request", {}, "TLSFeature"),
        ("basicConstraints=CA:TRUE,pathlen:3", CA, "basicConstraints (to be a CA, path length 3)"),
    ],
)
def test_what_is_only_more_is_dropped_and_told(
    extension: str, fields: dict[str, Any], shown: str
) -> None:
    (found,) = dropped(extension, **fields)
    assert found.removesuffix(BEYOND) == f"extension {shown}"
    if not fields.get("ca"):
        assert BEYOND not in found


DANGEROUS = [
    ("basicConstraints=critical,CA:TRUE", {}),
    ("keyUsage=keyCertSign", {}),
    ("keyUsage=digitalSignature,cRLSign", {}),
    ("extendedKeyUsage=anyExtendedKeyUsage", USAGES),
    ("extendedKeyUsage=serverAuth,codeSigning", USAGES),
    ("extendedKeyUsage=OCSPSigning", USAGES),
    ("extendedKeyUsage=timeStamping", USAGES),
    ("nameConstraints=permitted;DNS:test", {}),
    ("policyConstraints=requireExplicitPolicy:0", {}),
    ("inhibitAnyPolicy=0", {}),
    ("noCheck=NULL", {}),
    ("1.3.6.1.4.1.311.25.2=ASN1:UTF8String:S-1-5-21-500", {}),  # the SID of an administrator
]


@pytest.mark.parametrize(("extension", "fields"), DANGEROUS)
def test_what_asks_for_a_power_is_dropped_told_as_such_or_refused(
    extension: str, fields: dict[str, Any]
) -> None:
    (text,) = dropped(extension, **fields)
    assert text.endswith(BEYOND)
    found = csrs.read(openssl_csr(names=("DNS:a.test",), options=("-addext", extension)))
    check.check(found, profile(**fields))
    for mode in ("refuse_dangerous", "refuse"):
        with pytest.raises(Refused) as caught:
            check.check(found, profile(extra_extensions=mode, **fields))
        assert caught.value.slug == "extension-not-allowed"


def test_what_is_harmless_is_refused_only_where_all_is() -> None:
    found = read_csr(extensions=[x509.TLSFeature([x509.TLSFeatureType.status_request])])
    check.check(found, profile(extra_extensions="refuse_dangerous"))
    with pytest.raises(Refused, match="asks for the extension “TLSFeature”"):
        check.check(found, profile(extra_extensions="refuse"))
    check.check(read_csr(), profile(extra_extensions="refuse"))
