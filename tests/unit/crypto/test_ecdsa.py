"""Verdicts on signatures, held against the library's own."""

from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.crypto import csr as csrs
from pipeline.crypto import der, ecdsa
from pipeline.crypto.certificates import is_issued_by
from pipeline.errors import RequesterError
from pipeline.signer import authority
from tests.factories import NOW, csr, issuer, new_serial, openssl_csr, profile, read_csr

PSS = openssl_csr("rsa:2048", options=("-sigopt", "rsa_padding_mode:pss"))
CSRS = {
    "ec:P-256": csr(key_kind="ec:P-256"),
    "ec:P-384": csr(key_kind="ec:P-384"),
    "rsa:2048": csr(key_kind="rsa:2048"),
    "rsa:2048 PSS": x509.load_pem_x509_csr(PSS).public_bytes(Encoding.DER),
    "ed25519": csr(key_kind="ed25519"),
}
_PRINTABLE = x509.name._ASN1Type.PrintableString
ISSUERS = ["ec:P-256", "ec:P-384", "rsa:2048", "ed25519"]


def parts(octets: bytes) -> list[bytes]:
    """Return what is signed, the algorithm beside the signature, and the signature."""
    signed, algorithm, signature = der.elements(der.content(octets))
    return [signed, algorithm, signature]


def joined(signed: bytes, algorithm: bytes, signature: bytes) -> bytes:
    return der.encode(der.SEQUENCE, signed + algorithm + signature)


def harmed(octets: bytes, where: float, mask: int) -> bytes:
    """Return the octets with some bits of one of them turned over."""
    place = int(where * len(octets))
    return octets[:place] + bytes((octets[place] ^ mask,)) + octets[place + 1 :]


def valid(octets: bytes) -> bool:
    """Return what the library says of a CSR."""
    try:
        return x509.load_der_x509_csr(octets).is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
        return False


def accepted(octets: bytes) -> bool:
    try:
        csrs.read(octets)
    except RequesterError:
        return False
    return True


@pytest.mark.parametrize("algorithm_of", CSRS)
@pytest.mark.parametrize("kind", CSRS)
def test_a_csr_is_accepted_when_its_algorithm_fits_its_key(kind: str, algorithm_of: str) -> None:
    signed, own, signature = parts(CSRS[kind])
    other = parts(CSRS[algorithm_of])[1]
    octets = joined(signed, other, signature)
    assert accepted(octets) == valid(octets) == (other == own)


@given(st.sampled_from(list(CSRS)), st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_of_a_csr_that_was_harmed_the_library_says_the_same(
    kind: str, where: float, mask: int
) -> None:
    octets = harmed(CSRS[kind], where, mask)
    assert accepted(octets) == valid(octets)


@given(
    st.sampled_from(["ec:P-256", "ec:P-384"]),
    st.sampled_from([0, 1, 2]),
    st.floats(0, 1, exclude_max=True),
    st.integers(1, 255),
)
def test_of_each_part_of_an_ecdsa_signature_the_library_says_the_same(
    kind: str, part: int, where: float, mask: int
) -> None:
    pieces = parts(CSRS[kind])
    pieces[part] = harmed(pieces[part], where, mask)
    try:
        request = x509.load_der_x509_csr(joined(*pieces))
        key = request.public_key()
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        return
    if isinstance(key, ec.EllipticCurvePublicKey):
        own = ecdsa.is_signed_by(key, request, request.tbs_certrequest_bytes)
        assert own == request.is_signature_valid


def tbs(kind: str) -> bytes:
    return authority.prepare(read_csr(), profile(), issuer(kind), NOW, new_serial()).tbs


def algorithm(of: bytes) -> bytes:
    return der.elements(der.content(of))[2]


def replaced(octets: bytes, old: bytes, new: bytes) -> bytes:
    return der.encode(der.SEQUENCE, der.content(octets).replace(old, new, 1))


def another_algorithm(octets: bytes) -> bytes:
    other = "ec:P-384" if algorithm(octets) != algorithm(tbs("ec:P-384")) else "ec:P-256"
    return replaced(octets, algorithm(octets), algorithm(tbs(other)))


def another_type_of_string(octets: bytes) -> bytes:
    name = x509.load_der_x509_certificate(der.certificate(octets, b"")).issuer
    attributes = [x509.NameAttribute(one.oid, one.value, _type=_PRINTABLE) for one in name]
    return replaced(octets, name.public_bytes(), x509.Name(attributes).public_bytes())


@pytest.mark.parametrize("kind", ISSUERS)
def test_a_certificate_is_its_issuers(kind: str) -> None:
    octets = der.certificate(tbs(kind), b"")
    assert judged(kind, parts(octets)[0], parts(octets)[1]) is True


@pytest.mark.parametrize("kind", ISSUERS)
@pytest.mark.parametrize("change", [another_algorithm, another_type_of_string])
def test_what_an_issuer_signed_is_not_its_own_when_it_does_not_say_so(
    kind: str, change: Callable[[bytes], bytes]
) -> None:
    octets = tbs(kind)
    assert change(octets) != octets
    assert judged(kind, change(octets), algorithm(octets)) is False


@pytest.mark.parametrize("kind", ISSUERS)
def test_the_algorithm_beside_the_signature_is_that_of_the_tbs(kind: str) -> None:
    octets = tbs(kind)
    assert judged(kind, octets, algorithm(another_algorithm(octets))) is False


@pytest.mark.parametrize("kind", ISSUERS)
def test_both_algorithms_may_not_be_of_another_kind_of_key(kind: str) -> None:
    other = "ed25519" if kind != "ed25519" else "ec:P-256"
    octets = replaced(tbs(kind), algorithm(tbs(kind)), algorithm(tbs(other)))
    assert judged(kind, octets, algorithm(octets)) is False


# The library warns of a serial number that is negative, or of parameters that should not be there.
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@given(st.sampled_from(ISSUERS), st.floats(0, 1, exclude_max=True), st.integers(1, 255))
@example("rsa:2048", 0.025390625, 128)
def test_of_a_certificate_that_was_harmed_the_library_says_the_same(
    kind: str, where: float, mask: int
) -> None:
    octets = tbs(kind)
    whole = der.certificate(octets, authority.sign(octets, issuer(kind)))
    compare(kind, harmed(whole, where, mask))


def judged(kind: str, octets: bytes, beside: bytes) -> bool | None:
    """Return the verdict on a certificate with this TBS, signed by the issuer, and the algorithm that
    stands beside the signature."""
    return compare(kind, der.signed(octets, beside, authority.sign(octets, issuer(kind))))


def compare(kind: str, certificate: bytes) -> bool | None:
    """Return what the issuer says of a certificate, which is what the library says; None when it
    cannot be read."""
    by = issuer(kind)
    try:
        read = x509.load_der_x509_certificate(certificate)
    except (ValueError, x509.InvalidVersion):
        return None
    assert by.has_issued(read, certificate) == is_issued_by(read, by.certificate)
    return by.has_issued(read, certificate)
