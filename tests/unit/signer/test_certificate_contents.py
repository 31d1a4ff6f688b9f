"""What a certificate says: what its profile and its CSR's names make of it, and nothing else."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from pipeline.crypto import csr as csrs
from pipeline.crypto import public_keys
from tests.factories import NOW, issuer, openssl_csr, profile, read_csr
from tests.unit.signer.issued import AT_NOW, issue, pem, text_of, verdict

ISSUER_KINDS = ["ec:P-256", "ec:P-384", "ec:P-521", "rsa:2048", "rsa:4096", "ed25519"]
CSR_KINDS = ["rsa:2048", "rsa:3072", "ec:P-256", "ec:P-384", "ed25519"]
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("csr_kind", CSR_KINDS)
@pytest.mark.parametrize("issuer_kind", ISSUER_KINDS)
def test_openssl_verifies_a_certificate(issuer_kind: str, csr_kind: str) -> None:
    by = issuer(issuer_kind)
    csr = csrs.read(openssl_csr(csr_kind, ("DNS:www.example.test", "IP:192.0.2.1")))
    leaf = issue(csr, profile(names=["dns", "ip"]), by)
    options = (*AT_NOW, "-verify_hostname", "www.example.test")
    assert verdict(pem(leaf), by, options=options).endswith(": OK\n")


def test_openssl_reads_in_a_certificate_what_the_profile_says() -> None:
    made_by = profile(
        key_usage=["digital_signature", "key_encipherment"],
        extended_key_usage=["server_auth", "1.3.6.1.5.5.7.3.17"],
        names=["dns", "ip", "email", "uri"],
        crl_distribution_points=["http://ca.example.com/crl.der"],
        ocsp=["http://ocsp.example.com"],
        ca_issuers=["http://ca.example.com/ca.der"],
    )
    names = ("DNS:www.example.test", "IP:2001:db8::1", "email:a@example.test", "URI:urn:a:b")
    csr = csrs.read(openssl_csr("rsa:2048", names, "/O=Example/CN=www.example.test"))
    text = text_of(issue(csr, made_by, now=NOW + timedelta(days=1)))
    assert "Version: 3" in text
    assert "Signature Algorithm: ecdsa-with-SHA256" in text
    assert "Issuer: CN = Test Issuing CA" in text
    assert "Subject: CN = www.example.test Subject Public Key Info" in text
    assert "Not Before: May 18 12:25:15 2026 GMT" in text
    assert "Not After : Aug 16 12:25:14 2026 GMT" in text
    assert "Basic Constraints: critical CA:FALSE" in text
    assert "Key Usage: critical Digital Signature, Key Encipherment X509v3" in text
    assert "Extended Key Usage: TLS Web Server Authentication, ipsec Internet Key" in text
    assert "URI:http://ca.example.com/crl.der" in text
    assert "OCSP - URI:http://ocsp.example.com" in text
    assert "CA Issuers - URI:http://ca.example.com/ca.der" in text
    assert (
        "Subject Alternative Name: DNS:www.example.test, IP Address:2001:DB8:0:0:0:0:0:1,"
        " email:a@example.test, URI:urn:a:b" in text
    )


def test_key_identifiers_are_those_of_the_keys() -> None:
    csr = read_csr()
    made = issue(csr).extensions
    own = made.get_extension_for_class(x509.SubjectKeyIdentifier)
    assert own.value.digest == public_keys.identifier(csr.spki)
    assert not own.critical
    above = issuer().certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    below = made.get_extension_for_class(x509.AuthorityKeyIdentifier)
    assert below.value.key_identifier == above.value.digest
    assert not below.critical


@pytest.mark.parametrize(
    ("kind", "encipherment"),
    [("rsa:2048", True), ("ec:P-256", False), ("ed25519", False)],
)
def test_key_encipherment_is_for_rsa_keys_only(kind: str, encipherment: bool) -> None:
    made_by = profile(key_usage=["digital_signature", "key_encipherment"])
    made = issue(read_csr(key_kind=kind), made_by)
    usage = made.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert usage.value.key_encipherment is encipherment
    assert not usage.value.key_cert_sign


def test_extensions_that_the_profile_does_not_configure_are_absent() -> None:
    made = issue(read_csr())
    assert [extension.oid._name for extension in made.extensions] == [
        "basicConstraints",
        "keyUsage",
        "authorityKeyIdentifier",
        "subjectKeyIdentifier",
        "subjectAltName",
    ]


def test_nothing_that_the_csr_asks_for_but_names_is_taken_over() -> None:
    options = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign")
    csr = csrs.read(openssl_csr(subject="/O=Evil/CN=other.example.test", options=options))
    made = issue(csr)
    assert made.subject == x509.Name([])
    constraints = made.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert constraints == x509.BasicConstraints(ca=False, path_length=None)
    assert not made.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign


@pytest.mark.parametrize(
    ("common_name", "subject", "critical"),
    [
        ("WWW.example.test", "CN=www.example.test", False),
        ("other.example.test", "", True),
        (None, "", True),
    ],
)
def test_without_a_subject_the_names_are_critical(
    common_name: str | None, subject: str, critical: bool
) -> None:
    made = issue(read_csr("DNS:www.example.test", common_name=common_name))
    assert made.subject.rfc4514_string() == subject
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.critical is critical


def test_a_name_too_long_for_a_common_name_is_only_in_the_san() -> None:
    long = f"{'x' * 60}.example.test"
    csr = replace(read_csr(f"DNS:{long}"), common_name=long, taken_common_name=long)
    assert issue(csr).subject == x509.Name([])
    exact = f"{'x' * 51}.example.test"
    csr = read_csr(f"DNS:{exact}", common_name=exact)
    assert issue(csr).subject.rfc4514_string() == f"CN={exact}"


def test_validity_counts_its_last_second() -> None:
    made_by = profile(validity="10m", backdate="1m")
    made = issue(read_csr(), made_by)
    begin = NOW.replace(microsecond=0)
    assert made.not_valid_before_utc == max(begin - timedelta(minutes=1), issuer().not_before)
    made = issue(read_csr(), made_by, now=NOW + timedelta(days=1))
    begin += timedelta(days=1)
    assert made.not_valid_before_utc == begin - timedelta(minutes=1)
    assert made.not_valid_after_utc == begin + timedelta(minutes=9) - SECOND
    assert made.not_valid_after_utc - made.not_valid_before_utc + SECOND == timedelta(minutes=10)


def test_access_descriptions_and_usages_are_not_critical() -> None:
    made_by = profile(extended_key_usage=["client_auth"], ocsp=["http://ocsp.example.com"])
    extensions = issue(read_csr(), made_by).extensions
    usage = extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert list(usage.value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    access = extensions.get_extension_for_class(x509.AuthorityInformationAccess)
    assert [one.access_method for one in access.value] == [AuthorityInformationAccessOID.OCSP]
    assert not usage.critical
    assert not access.critical
