import contextlib
import warnings
from ipaddress import ip_network

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from pipeline.crypto import csr as csrs
from pipeline.crypto import domains, names, requested
from pipeline.crypto.csr import Csr
from pipeline.errors import Refused, RequesterError, Unreadable
from tests.factories import (
    NOW,
    csr,
    key,
    openssl_csr,
    raw_san,
    read_csr,
)


def attribute(oid: x509.ObjectIdentifier, value: str) -> x509.NameAttribute[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return x509.NameAttribute(oid, value, _validate=False)


def with_subject(*attributes: x509.NameAttribute[str], name: str = "DNS:www.example.test") -> Csr:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        octets = csr([name], subject=attributes)
    return csrs.read(octets)


@pytest.mark.parametrize("feature", [0, 13, 99])
def test_a_tls_feature_without_a_name_is_refused(feature: int) -> None:
    """The library knows two of them by name, and has no exception of its own for all others."""
    asked = x509.UnrecognizedExtension(x509.TLSFeature.oid, bytes((0x30, 3, 2, 1, feature)))
    with pytest.raises(Unreadable) as caught:
        csrs.read(csr(extensions=[asked]))
    assert caught.value.template == requested.DAMAGED


def test_names_are_canonical_in_order_and_without_duplicates() -> None:
    found = read_csr(
        "DNS:B.example.test",
        "IP:2001:DB8::0:1",
        "DNS:a.example.test.",
        "DNS:b.EXAMPLE.test",
        "email:User@Example.TEST",
        "URI:SPIFFE://example.test/a",
    )
    assert [str(name) for name in found.names] == [
        "DNS:b.example.test",
        "IP:2001:db8::1",
        "DNS:a.example.test",
        "email:User@example.test",
        "URI:spiffe://example.test/a",
    ]


def test_three_hundred_names_are_read() -> None:
    found = csrs.read(openssl_csr(names=tuple(f"DNS:n{n}.example.test" for n in range(300))))
    assert len(found.names) == 300


@given(st.permutations(["DNS:a.test", "DNS:*.b.test", "IP:::1", "email:a@b.test", "URI:urn:a:b"]))
def test_the_order_of_names_changes_nothing_else(order: list[str]) -> None:
    found = read_csr(*order)
    assert [str(name) for name in found.names] == order
    assert sorted(found.names) == sorted(read_csr(*sorted(order)).names)


@pytest.mark.parametrize(
    ("common_name", "name", "taken"),
    [
        ("www.example.test", "DNS:www.example.test", "www.example.test"),
        ("WWW.Example.TEST.", "DNS:www.example.test", "www.example.test"),
        ("*.example.test", "DNS:*.example.test", "*.example.test"),
        ("192.0.2.1", "IP:192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0::1", "IP:2001:db8::1", "2001:db8::1"),
        ("user@EXAMPLE.test", "email:user@example.test", "user@example.test"),
        ("other.example.test", "DNS:www.example.test", None),
        ("example.test", "DNS:www.example.test", None),
        ("My web server", "DNS:www.example.test", None),
        ("192.0.2.1", "DNS:www.example.test", None),
        ("", "DNS:www.example.test", None),
    ],
)
def test_a_common_name_is_taken_when_it_is_one_of_the_names(
    common_name: str, name: str, taken: str | None
) -> None:
    found = with_subject(attribute(NameOID.COMMON_NAME, common_name), name=name)
    assert found.common_name == common_name
    assert found.taken_common_name == taken
    assert found.ignored == (() if taken else (f"subject CN={common_name}",))


def test_a_common_name_without_any_san_is_no_name() -> None:
    found = csrs.read(openssl_csr(names=(), subject="/CN=www.example.test"))
    assert found.names == ()
    assert found.common_name == "www.example.test"
    assert found.taken_common_name is None


def test_of_two_common_names_none_is_taken() -> None:
    same = attribute(NameOID.COMMON_NAME, "www.example.test")
    other = attribute(NameOID.COMMON_NAME, "other.example.test")
    found = with_subject(other, same)
    assert found.taken_common_name is None
    assert found.ignored == ("subject CN=other.example.test", "subject CN=www.example.test")


def test_everything_that_is_not_taken_over_is_listed() -> None:
    found = csrs.read(
        openssl_csr(
            subject="/C=DE/O=Example/CN=www.example.test",
            options=(
                *("-addext", "basicConstraints=critical,CA:TRUE"),
                *("-addext", "keyUsage=keyCertSign"),
                *("-addext", "1.2.3.4=ASN1:UTF8String:x"),
            ),
        )
    )
    assert found.subject == "CN=www.example.test,O=Example,C=DE"
    assert found.ignored == (
        "subject C=DE",
        "subject O=Example",
        "extension basicConstraints",
        "extension keyUsage",
        "extension 1.2.3.4",
    )


def test_what_could_mislead_in_a_subject_is_made_visible() -> None:
    found = with_subject(attribute(NameOID.COMMON_NAME, "a\x1b[31m\u202eb\x00"))
    assert found.common_name == "a\\x1b[31m\\u202eb\\x00"
    assert found.subject.isprintable()
    assert found.ignored[0].isprintable()


@pytest.mark.parametrize(
    "odd",
    [
        attribute(NameOID.COMMON_NAME, "x" * 65),  # longer than ub-common-name
        attribute(NameOID.COMMON_NAME, ""),
        attribute(NameOID.COUNTRY_NAME, "Germany"),  # not two letters
        attribute(NameOID.JURISDICTION_COUNTRY_NAME, "Germany"),
    ],
)
def test_attributes_of_a_forbidden_length_are_read_without_a_warning(
    odd: x509.NameAttribute[str],
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert with_subject(odd).names


def test_a_common_name_in_two_octets_per_character_is_read() -> None:
    two_octets = x509.name._ASN1Type.BMPString
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text = x509.NameAttribute(NameOID.COMMON_NAME, "日本" * 16, two_octets, _validate=False)
    assert with_subject(text).common_name == "日本" * 16


@pytest.mark.parametrize(
    ("general_name", "shown"),
    [
        (
            x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.9"), b"\x0c\x01a"),
            "otherName 1.3.6.1.5.5.7.8.9",
        ),
        (x509.RegisteredID(x509.ObjectIdentifier("1.2.3")), "registeredID 1.2.3"),
        (
            x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a\x1b")])),
            "directoryName CN=a\\x1b",
        ),
    ],
)
def test_a_name_of_another_kind_is_never_dropped_silently(
    general_name: x509.GeneralName, shown: str
) -> None:
    found = csrs.read(csr(["DNS:www.example.test", general_name]))
    assert found.unsupported_names == (shown,)
    assert [str(name) for name in found.names] == ["DNS:www.example.test"]


INVALID = [
    ([x509.IPAddress(ip_network("10.0.0.0/8"))], requested.NETWORK),  # eight octets, a range
    (["DNS:foo_bar.example.test"], domains.UNDERSCORE),
    (["DNS:good.example.test", "DNS:bad..example.test"], domains.EMPTY_LABEL),
    (["DNS:www.example.test\x00.evil.example"], domains.CONTROL),
    (["DNS:"], domains.EMPTY),
    (["DNS:192.0.2.1"], domains.NUMERIC),  # an IP address as a DNS name
    (["IP:::ffff:192.0.2.1"], names.MAPPED_IP),
    (["email:user"], names.NOT_EMAIL),
]


@pytest.mark.parametrize(("wanted", "template"), INVALID)
def test_what_is_not_a_name_is_refused(wanted: list[str], template: str) -> None:
    with pytest.raises(Refused) as caught:
        csrs.read(csr(wanted))
    assert (caught.value.slug, caught.value.template) == ("invalid-name", template)


def test_raw_utf8_in_a_dns_name_is_refused_with_the_form_to_write() -> None:
    name = "bücher.example".encode()
    octets = bytes([0x30, len(name) + 2, 0x82, len(name)]) + name
    with pytest.raises(Refused, match=r"xn--bcher-kva\.example"):
        csrs.read(csr([], extensions=[raw_san(octets)]))


def test_kinds_of_name_that_the_library_cannot_read_are_refused() -> None:
    # An x400Address (tag 3) and an ediPartyName (tag 5).
    for octets in (b"\x30\x02\xa3\x00", b"\x30\x02\xa5\x00"):
        with pytest.raises(Refused) as caught:
            csrs.read(csr([], extensions=[raw_san(octets)]))
        assert caught.value.slug == "name-not-allowed"


def test_an_empty_san_is_no_names() -> None:
    assert csrs.read(csr([], extensions=[raw_san(b"\x30\x00")])).names == ()


def test_requested_usages_are_ignored_not_taken() -> None:
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
    assert read_csr(extensions=[usage]).ignored == ("extension extendedKeyUsage",)


def test_a_common_name_that_is_no_text_is_damage() -> None:
    bits = x509.NameAttribute(
        NameOID.X500_UNIQUE_IDENTIFIER, b"\x00ab", x509.name._ASN1Type.BitString
    )
    octets = csr(subject=[bits])
    assert csrs.read(octets).ignored == ("subject 2.5.4.45=#006162",)
    unique_identifier, common_name = b"\x06\x03\x55\x04\x2d", b"\x06\x03\x55\x04\x03"
    as_common_name = octets.replace(unique_identifier, common_name)
    with pytest.raises(Unreadable):
        requested.read(x509.load_der_x509_csr(as_common_name), as_common_name)


def test_whatever_a_requester_signs_is_read_or_refused_and_warns_of_nothing() -> None:
    """Every octet of a CSR replaced by others: as if its requester had signed that themselves."""
    names: list[str | x509.GeneralName] = ["DNS:www.example.test", "IP:192.0.2.1", "URI:urn:a:b"]
    names.append(x509.OtherName(x509.ObjectIdentifier("1.2.3"), b"\x0c\x01a"))
    names.append(x509.DirectoryName(x509.Name([attribute(NameOID.COUNTRY_NAME, "DE")])))
    countries = [attribute(NameOID.COUNTRY_NAME, "DE")]
    constraints = [x509.BasicConstraints(ca=True, path_length=0)]
    octets = csr(names, common_name="a.test", subject=countries, extensions=constraints)
    tags_and_more = (*range(32), 0x30, 0x41, 0x7F, 0x80, 0x81, 0x82, 0x86, 0x87, 0xA0, 0xA3, 0xFF)
    for position in range(len(octets)):
        for value in tags_and_more:
            changed = octets[:position] + bytes([value]) + octets[position + 1 :]
            try:
                request = x509.load_der_x509_csr(changed)
            except (ValueError, x509.InvalidVersion):
                continue
            with contextlib.suppress(RequesterError):
                requested.read(request, changed)


def test_a_certificate_with_a_name_of_another_kind_is_not_ours() -> None:
    other = x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))
    names = x509.SubjectAlternativeName([x509.DNSName("a.test"), other])
    builder = x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(x509.Name([]))
    builder = (
        builder.public_key(key().public_key).serial_number(1).add_extension(names, critical=False)
    )
    builder = builder.not_valid_before(NOW).not_valid_after(NOW)
    with pytest.raises(ValueError, match=r"registeredID 1\.2\.3"):
        requested.names_in(builder.sign(key().private_key, SHA256()))
