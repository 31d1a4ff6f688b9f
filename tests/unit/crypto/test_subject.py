"""Which parts of a CSR's subject a certificate has, and which are refused."""

import warnings
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from pipeline.crypto import check, subject, told
from pipeline.crypto import csr as csrs
from pipeline.crypto.csr import Csr
from pipeline.crypto.visible import visible
from pipeline.errors import Refused
from tests.factories import csr, openssl_csr, profile

NAMELESS = {"names": [], "extended_key_usage": ["code_signing"]}


def asked(text: str, *names: str) -> Csr:
    return csrs.read(openssl_csr(names=names, subject=text))


def subject_of(found: Csr, **fields: Any) -> str:
    return subject.to_name(subject.compose(found, profile(**fields))).rfc4514_string()


@pytest.mark.parametrize(
    ("text", "fields", "expected"),
    [
        ("/O=A/CN=a.test", {}, "CN=a.test"),  # as it always was: only a CN that is a name
        ("/CN=A.Test.", {}, "CN=a.test"),
        ("/CN=b.test", {}, ""),  # a CN is one of the names, or it is not there
        ("/CN=a.test", {"subject_from_csr": []}, ""),
        ("/CN=a.test", {"subject": ["O=X"]}, "CN=a.test,O=X"),
        ("/O=A/CN=a.test", {"subject": ["O=X"]}, "CN=a.test,O=X"),
        ("/CN=a.test/OU=U/O=A", {"subject_from_csr": ["O", "OU", "CN"]}, "CN=a.test,OU=U,O=A"),
        ("/O=A", {"subject_from_csr": ["O", "OU"], "subject_required": ["O"]}, "O=A"),
        (
            "/serialNumber=12-3/GN=G/SN=S",
            {"subject_from_csr": ["SN", "GN"]},
            "2.5.4.42=G,2.5.4.4=S",
        ),
        ("/C=DE/ST=B/L=L", {"subject_from_csr": ["C", "ST", "L"]}, "L=L,ST=B,C=DE"),
    ],
)
def test_a_subject_has_what_its_profile_gives_and_takes(
    text: str, fields: dict[str, Any], expected: str
) -> None:
    assert subject_of(asked(text, "DNS:a.test"), **fields) == expected


@pytest.mark.parametrize("kind", subject.ATTRIBUTES)
def test_people_read_each_attribute_by_its_name_and_not_by_its_oid(kind: str) -> None:
    text = f"{kind}={'DE' if kind == 'C' else 'a'}"
    assert subject.text_of(subject.to_name([subject.parse(text)])) == text


def test_without_names_a_cn_is_free_text() -> None:
    assert subject_of(asked("/CN=Büro 7, links"), **NAMELESS) == "CN=Büro 7\\, links"


def test_a_cn_is_as_long_as_the_library_can_make_it_and_no_longer() -> None:
    """Approved and then not to be issued, it also ended the command of whoever looked at it."""
    longest = csrs.read(csr((), subject=[odd(NameOID.COMMON_NAME, "ü" * 32)]))
    assert subject_of(longest, **NAMELESS) == "CN=" + "ü" * 32
    longer = csrs.read(csr((), subject=[odd(NameOID.COMMON_NAME, "ü" * 33)]))
    with pytest.raises(Refused, match="longer than the 64 bytes"):
        check.check(longer, profile(**NAMELESS))
    with pytest.raises(ValueError, match="of a CN: bytes"):
        profile(**NAMELESS, subject=["CN=" + "ü" * 33], subject_from_csr=["O"])


def odd(kind: x509.ObjectIdentifier, value: str) -> x509.NameAttribute[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return x509.NameAttribute(kind, value, x509.name._ASN1Type.UTF8String, _validate=False)


ORG = NameOID.ORGANIZATION_NAME


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ([odd(ORG, "x" * 65)], "longer than the 64"),
        ([odd(ORG, "a\x00b")], "cannot be seen"),
        ([odd(ORG, "a\u202eb")], "cannot be seen"),  # turns the text around
        ([odd(ORG, "\u3164")], "cannot be seen"),  # a letter, and nothing to see
        ([odd(ORG, "Exam\u034fple")], "cannot be seen"),
        ([odd(ORG, "Example\ufe0f")], "cannot be seen"),
        ([odd(ORG, " Example")], "spaces too many"),
        ([odd(ORG, "Exam  ple")], "spaces too many"),
        ([odd(ORG, "a\u00a0b")], "spaces too many"),  # a space that looks like another
        ([odd(NameOID.COUNTRY_NAME, "de")], "in the form that"),
        ([odd(NameOID.COUNTRY_NAME, "Germany")], "longer than the 2"),
        ([odd(NameOID.SERIAL_NUMBER, "a_b")], "in the form that"),
        ([odd(ORG, "A"), odd(ORG, "B")], "more than one “O”"),
        ([odd(NameOID.COMMON_NAME, "x")], "wants “O”"),
    ],
)
def test_what_cannot_be_certified_is_refused_and_never_repaired(
    parts: list[x509.NameAttribute[str]], why: str
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = csrs.read(csr(subject=parts))
    made_by = profile(subject_from_csr=["C", "serialNumber", "O"], subject_required=["O"])
    with pytest.raises(Refused) as caught:
        check.check(found, made_by)
    assert caught.value.slug == "subject-not-allowed"
    assert why in str(caught.value)
    assert visible(str(caught.value)) == str(caught.value)


def test_a_certificate_without_names_needs_a_subject() -> None:
    with pytest.raises(Refused, match="neither names nor a subject"):
        check.check(asked("/O=A"), profile(**NAMELESS))


def test_two_writings_of_one_text_are_one() -> None:
    """A letter with its accent apart becomes the letter with its accent (NFC)."""
    found = csrs.read(csr(subject=[odd(ORG, "Bu\u0308ro")]))
    assert subject.compose(found, profile(subject_from_csr=["O"])) == (subject.Part("O", "Büro"),)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("/CN=Test CA", "/CN=test ca", True),
        ("/CN=Test CA", "/CN=Test  CA", True),
        ("/CN=Test CA", "/CN=\uff34est \uff23A", True),  # letters as wide as ideographs
        ("/CN=Test CA", "/CN=Test CAs", False),
        ("/CN=Test CA", "/O=Test CA", False),
        ("/O=A/CN=Test CA", "/CN=Test CA", False),
        ("/O=A/CN=Test CA", "/CN=Test CA/O=A", False),
    ],
)
def test_names_are_the_same_without_regard_to_case_and_spaces(
    one: str, other: str, same: bool
) -> None:
    read = [
        x509.load_pem_x509_csr(openssl_csr(names=(), subject=text)).subject for text in (one, other)
    ]
    assert subject.same(*read) == same


def test_what_is_not_taken_over_is_told_or_refused() -> None:
    found = asked("/O=A/OU=B/CN=a.test", "DNS:a.test")
    assert told.dropped(found, profile()) == ("subject O=A", "subject OU=B")
    assert told.dropped(found, profile(subject_from_csr=["O"])) == (
        "subject OU=B",
        "subject CN=a.test",
    )
    assert told.dropped(found, profile(subject=["O=A", "OU=C"])) == ("subject OU=B",)
    check.check(found, profile(subject_from_csr=["O", "OU", "CN"], extra_subject="refuse"))
    with pytest.raises(Refused, match="“O=A”, which profile “server” does not take over"):
        check.check(found, profile(extra_subject="refuse"))
