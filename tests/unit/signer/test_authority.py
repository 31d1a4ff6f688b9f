import re
import secrets
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from pipeline.crypto import csr as csrs
from pipeline.crypto import public_keys
from pipeline.crypto.csr import Csr
from pipeline.crypto.profile import Profile
from pipeline.errors import ItemFailed, KeyUnavailable
from pipeline.signer import authority
from pipeline.signer.issuer import Issuer
from tests.factories import (
    NOW,
    issuer,
    new_serial,
    openssl,
    openssl_csr,
    profile,
    read_csr,
    write,
)

ISSUER_KINDS = ["ec:P-256", "ec:P-384", "ec:P-521", "rsa:2048", "rsa:4096", "ed25519"]
CSR_KINDS = ["rsa:2048", "rsa:3072", "ec:P-256", "ec:P-384", "ed25519"]
SECOND = timedelta(seconds=1)


def issue(
    csr: Csr, made_by: Profile | None = None, by: Issuer | None = None, now: datetime = NOW
) -> bytes:
    """Return a certificate (DER), made in the steps in which the signer makes one."""
    by = by or issuer()
    made_by = made_by or profile()
    prepared = authority.prepare(csr, made_by, by, now, new_serial())
    assert prepared.certificate  # the library makes the same of it
    der = authority.assemble(prepared.tbs, authority.sign(prepared.tbs, by))
    authority.verify(der, prepared.tbs, csr, made_by, by)
    return der


def certificate(csr: Csr, made_by: Profile | None = None, now: datetime = NOW) -> x509.Certificate:
    return x509.load_der_x509_certificate(issue(csr, made_by, now=now))


def text_of(der: bytes) -> str:
    return openssl("x509", "-inform", "DER", "-noout", "-text", octets=der).decode()


@pytest.mark.parametrize("csr_kind", CSR_KINDS)
@pytest.mark.parametrize("issuer_kind", ISSUER_KINDS)
def test_openssl_verifies_a_certificate(issuer_kind: str, csr_kind: str) -> None:
    by = issuer(issuer_kind)
    csr = csrs.read(openssl_csr(csr_kind, ("DNS:www.example.test", "IP:192.0.2.1")))
    leaf = x509.load_der_x509_certificate(issue(csr, profile(names=["dns", "ip"]), by))
    root = x509.load_der_x509_certificate(by.root)
    arguments = ["verify", "-x509_strict", "-attime", str(int(NOW.timestamp()))]
    for option, certificates in (("-CAfile", root), ("-untrusted", by.certificate)):
        arguments += [option, str(write(certificates.public_bytes(Encoding.PEM)))]
    arguments += ["-verify_hostname", "www.example.test"]
    leaf_file = write(leaf.public_bytes(Encoding.PEM))
    assert openssl(*arguments, str(leaf_file)).endswith(b": OK\n")


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
    squeezed = re.sub(r"\s+", " ", text)
    assert "Version: 3" in text
    assert "Signature Algorithm: ecdsa-with-SHA256" in text
    assert "Issuer: CN = Test Issuing CA" in text
    assert "Subject: CN = www.example.test\n" in text
    assert "Not Before: May 18 12:25:15 2026 GMT" in text
    assert "Not After : Aug 16 12:25:14 2026 GMT" in text
    assert "Basic Constraints: critical CA:FALSE" in squeezed
    assert "Key Usage: critical Digital Signature, Key Encipherment X509v3" in squeezed
    assert "Extended Key Usage: TLS Web Server Authentication, ipsec Internet Key" in squeezed
    assert "URI:http://ca.example.com/crl.der" in text
    assert "OCSP - URI:http://ocsp.example.com" in text
    assert "CA Issuers - URI:http://ca.example.com/ca.der" in text
    assert (
        "Subject Alternative Name: DNS:www.example.test, IP Address:2001:DB8:0:0:0:0:0:1,"
        " email:a@example.test, URI:urn:a:b" in squeezed
    )


def test_key_identifiers_are_those_of_the_keys() -> None:
    csr = read_csr()
    made = certificate(csr).extensions
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
    made = certificate(read_csr(key_kind=kind), made_by)
    usage = made.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert usage.value.key_encipherment is encipherment
    assert not usage.value.key_cert_sign


def test_extensions_that_the_profile_does_not_configure_are_absent() -> None:
    made = certificate(read_csr())
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
    made = certificate(csr)
    assert made.subject == x509.Name([])
    constraints = made.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert constraints == x509.BasicConstraints(ca=False, path_length=None)


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
    made = certificate(read_csr("DNS:www.example.test", common_name=common_name))
    assert made.subject.rfc4514_string() == subject
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.critical is critical


def test_a_name_too_long_for_a_common_name_is_only_in_the_san() -> None:
    long = f"{'x' * 60}.example.test"
    csr = replace(read_csr(f"DNS:{long}"), common_name=long, taken_common_name=long)
    assert certificate(csr).subject == x509.Name([])
    exact = f"{'x' * 51}.example.test"
    csr = read_csr(f"DNS:{exact}", common_name=exact)
    assert certificate(csr).subject.rfc4514_string() == f"CN={exact}"


@pytest.mark.parametrize("serial", [1, 127, 128, 255, 256, (1 << 153) - 1, 1 << 152])
@pytest.mark.parametrize("end", [1, 364, 8400, 8750, 9000, 36500])
def test_what_is_put_together_is_what_the_library_makes(serial: int, end: int) -> None:
    for csr in (read_csr(), read_csr(common_name="www.example.test")):
        by = replace(issuer(), name="of long life")
        vars(by)["not_after"] = by.not_before + timedelta(days=40_000)
        made = authority.prepare(csr, profile(validity=f"{end}d"), by, NOW, serial)

        again = x509.load_der_x509_certificate(made.certificate)

        assert again.tbs_certificate_bytes == made.tbs
        assert (again.serial_number, again.not_valid_after_utc) == (serial, made.not_after)


def test_validity_counts_its_last_second() -> None:
    made_by = profile(validity="10m", backdate="1m")
    made = certificate(read_csr(), made_by)
    begin = NOW.replace(microsecond=0)
    assert made.not_valid_before_utc == max(begin - timedelta(minutes=1), issuer().not_before)
    made = certificate(read_csr(), made_by, now=NOW + timedelta(days=1))
    begin += timedelta(days=1)
    assert made.not_valid_before_utc == begin - timedelta(minutes=1)
    assert made.not_valid_after_utc == begin + timedelta(minutes=9) - SECOND
    assert made.not_valid_after_utc - made.not_valid_before_utc + SECOND == timedelta(minutes=10)


def test_a_certificate_never_begins_before_its_issuer_nor_outlives_it() -> None:
    by = issuer()
    early = authority.prepare(read_csr(), profile(backdate="1h"), by, by.not_before, 1)
    assert early.not_before == by.not_before
    late = authority.prepare(read_csr(), profile(), by, by.not_after - timedelta(days=1), 1)
    assert late.not_after == by.not_after
    last = authority.prepare(read_csr(), profile(), by, by.not_after, 1)
    assert last.not_after == by.not_after


def test_an_issuer_that_is_not_valid_issues_nothing() -> None:
    by = issuer()
    for now in (by.not_before - SECOND, by.not_after + SECOND):
        with pytest.raises(ItemFailed, match="not valid now"):
            authority.prepare(read_csr(), profile(), by, now, 1)


def test_what_was_prepared_is_what_the_certificate_says() -> None:
    serial = new_serial()
    prepared = authority.prepare(read_csr(), profile(), issuer(), NOW, serial)
    made = x509.load_der_x509_certificate(authority.assemble(prepared.tbs, b""))
    assert made.serial_number == prepared.serial == serial
    assert made.not_valid_before_utc == prepared.not_before
    assert made.not_valid_after_utc == prepared.not_after


@pytest.mark.parametrize("octets", [b"\x00" * 19, b"\xff" * 19])
def test_a_serial_is_positive_and_has_twenty_octets(octets: bytes) -> None:
    serial = authority.new_serial(lambda count: octets[:count])
    assert serial > 0
    encoded = serial.to_bytes(serial.bit_length() // 8 + 1, "big")  # as DER has it, with its sign
    assert len(encoded) == 20
    assert encoded.endswith(octets)
    assert len(octets) * 8 >= 128


def test_serials_differ() -> None:
    assert len({authority.new_serial(secrets.token_bytes) for _ in range(1000)}) == 1000


def test_without_the_key_nothing_is_signed() -> None:
    with pytest.raises(KeyUnavailable):
        authority.sign(b"tbs", replace(issuer(), key=None))


def test_signing_the_same_tbs_again_gives_a_certificate_of_the_same_tbs() -> None:
    by = issuer()
    csr = read_csr()
    prepared = authority.prepare(csr, profile(), by, NOW, new_serial())
    for _ in range(2):
        der = authority.assemble(prepared.tbs, authority.sign(prepared.tbs, by))
        authority.verify(der, prepared.tbs, csr, profile(), by)


def test_each_difference_from_what_was_meant_is_found() -> None:
    by = issuer()
    csr = read_csr("DNS:a.example.test", common_name="a.example.test")
    prepared = authority.prepare(csr, profile(), by, NOW, new_serial())
    tbs, signature = prepared.tbs, authority.sign(prepared.tbs, by)
    der = authority.assemble(tbs, signature)
    authority.verify(der, tbs, csr, profile(), by)

    other_tbs = authority.prepare(csr, profile(), by, NOW, new_serial()).tbs
    unlike: list[tuple[str, bytes, bytes, Csr, Issuer]] = [
        ("differs from the TBS", der, other_tbs, csr, by),
        ("signature is not", authority.assemble(other_tbs, signature), other_tbs, csr, by),
        (
            "signature is not",
            authority.assemble(tbs, signature[:-1] + bytes([signature[-1] ^ 1])),
            tbs,
            csr,
            by,
        ),
        ("signature is not", authority.assemble(tbs, b""), tbs, csr, by),
        ("signature is not", der, tbs, csr, issuer("ec:P-384")),
        ("another public key", der, tbs, replace(csr, spki=b""), by),
        ("other names", der, tbs, replace(csr, names=()), by),
        ("other names", der, tbs, read_csr("DNS:b.example.test"), by),
        ("another subject", der, tbs, replace(csr, taken_common_name=None), by),
        ("is damaged", der[:-1], tbs, csr, by),
        ("is damaged", der + b"\x00", tbs, csr, by),
        ("is damaged", b"", tbs, csr, by),
    ]
    for problem, octets, meant, request, signed_by in unlike:
        with pytest.raises(ItemFailed, match=problem):
            authority.verify(octets, meant, request, profile(), signed_by)


def test_a_certificate_without_names_is_never_what_was_meant() -> None:
    by = issuer()
    own = by.certificate
    above = replace(by, certificate=x509.load_der_x509_certificate(by.root))
    csr = replace(read_csr(), spki=public_keys.spki(own.public_key()))
    with pytest.raises(ItemFailed, match="other names"):
        authority.verify(by.chain[0], own.tbs_certificate_bytes, csr, profile(), above)


def test_a_tbs_that_does_not_name_its_issuers_key_is_not_usable() -> None:
    root = x509.load_der_x509_certificate(issuer().root)
    with pytest.raises(ItemFailed, match="does not name its issuer's key"):
        authority.ensure_usable(root.tbs_certificate_bytes, issuer(), NOW)


def test_a_damaged_tbs_is_not_assembled() -> None:
    with pytest.raises(ItemFailed, match="not the TBS"):
        authority.assemble(b"tbs", b"")


def test_a_recorded_tbs_is_usable_until_its_last_second_and_for_its_issuer_only() -> None:
    by = issuer()
    prepared = authority.prepare(read_csr(), profile(), by, NOW, new_serial())
    authority.ensure_usable(prepared.tbs, by, NOW)
    authority.ensure_usable(prepared.tbs, by, prepared.not_after)
    with pytest.raises(ItemFailed, match="validity was over"):
        authority.ensure_usable(prepared.tbs, by, prepared.not_after + SECOND)
    # The same name, with another key: as after a change of the issuing CA.
    with pytest.raises(ItemFailed, match="no longer there"):
        authority.ensure_usable(prepared.tbs, issuer("ec:P-384"), NOW)
    with pytest.raises(ItemFailed, match="not the TBS"):
        authority.ensure_usable(b"\x30\x00", by, NOW)


def test_a_recorded_tbs_is_read_unless_it_is_the_one_just_made() -> None:
    by = issuer()
    made, other = (
        authority.prepare(read_csr(), profile(), by, NOW, new_serial()) for _ in range(2)
    )

    authority.ensure_usable(made.tbs, by, made.not_after, made)
    with pytest.raises(ItemFailed, match="was over"):
        authority.ensure_usable(made.tbs, by, made.not_after + SECOND, made)
    with pytest.raises(ItemFailed, match="no longer there"):
        authority.ensure_usable(made.tbs, issuer("ec:P-384"), NOW, made)
    with pytest.raises(ItemFailed, match="not the TBS"):
        authority.ensure_usable(b"\x30\x00", by, NOW, other)


def test_access_descriptions_and_usages_are_not_critical() -> None:
    made_by = profile(extended_key_usage=["client_auth"], ocsp=["http://ocsp.example.com"])
    extensions = certificate(read_csr(), made_by).extensions
    usage = extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert list(usage.value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    access = extensions.get_extension_for_class(x509.AuthorityInformationAccess)
    assert [one.access_method for one in access.value] == [AuthorityInformationAccessOID.OCSP]
    assert not usage.critical
    assert not access.critical
