"""A CSR that can be read is refused when its key, its signature or what it signs is not sound."""

from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateNumbers,
    RSAPublicNumbers,
    rsa_crt_dmp1,
    rsa_crt_dmq1,
    rsa_crt_iqmp,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.crypto import csr as csrs
from pipeline.crypto import requested, weak_keys
from pipeline.crypto.der import request_info, signed
from pipeline.errors import Refused, RequesterError
from tests.factories import csr, openssl_csr
from tests.unit.crypto import diffie_hellman
from tests.unit.crypto.csr_refusal import refusal


def close_primes_csr() -> bytes:
    """A CSR that is right in all but its key, whose primes are next to each other (constructed)."""
    p = 2**1024 + 643
    while pow(2, p - 1, p) != 1 or pow(3, p - 1, p) != 1:
        p += 2
    q = p + 2
    while pow(2, q - 1, q) != 1 or pow(3, q - 1, q) != 1:
        q += 2
    d = pow(65537, -1, (p - 1) * (q - 1))
    numbers = RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=rsa_crt_dmp1(d, p),
        dmq1=rsa_crt_dmq1(d, q),
        iqmp=rsa_crt_iqmp(p, q),
        public_numbers=RSAPublicNumbers(65537, p * q),
    )
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(numbers.private_key(), SHA256()).public_bytes(Encoding.DER)


def tampered() -> bytes:
    """A CSR in which somebody changed the name after it was signed."""
    return csr(["DNS:www.example.test"]).replace(b"www.example.test", b"www.victims.test")


def wrong_signature() -> bytes:
    return csr()[:-1] + bytes([csr()[-1] ^ 1])


def diffie_hellman_csr() -> bytes:
    octets = csr()
    info, algorithm = request_info(octets, csrs.read(octets).spki, diffie_hellman.public_key())
    return signed(info, algorithm, b"none")


REFUSED: list[tuple[str, object, str, str]] = [
    ("a changed name", tampered, "bad-signature", csrs.BAD_SIGNATURE),
    ("a changed signature", wrong_signature, "bad-signature", csrs.BAD_SIGNATURE),
    (
        "RSA with MD5",
        lambda: openssl_csr("rsa:2048", digest="md5"),
        "weak-signature",
        csrs.WEAK_SIGNATURE,
    ),
    (
        "RSA with SHA-1",
        lambda: openssl_csr("rsa:2048", digest="sha1"),
        "weak-signature",
        csrs.WEAK_SIGNATURE,
    ),
    (
        "ECDSA with SHA-1",
        lambda: openssl_csr("ec:P-256", digest="sha1"),
        "weak-signature",
        csrs.WEAK_SIGNATURE,
    ),
    (
        "RSA-PSS with SHA-1",
        lambda: openssl_csr("rsa:2048", digest="sha1", options=("-sigopt", "rsa_padding_mode:pss")),
        "weak-signature",
        csrs.WEAK_SIGNATURE,
    ),
    ("RSA with 1024 bits", lambda: openssl_csr("rsa:1024"), "weak-key", weak_keys.TOO_SHORT),
    ("RSA with 512 bits", lambda: openssl_csr("rsa:512"), "weak-key", weak_keys.TOO_SHORT),
    (
        "RSA with exponent 3",
        lambda: openssl_csr("rsa:2048", key_options=("rsa_keygen_pubexp:3",)),
        "weak-key",
        weak_keys.EXPONENT,
    ),
    ("RSA with close primes", close_primes_csr, "weak-key", weak_keys.CLOSE_PRIMES),
    (
        "a binary curve",
        lambda: openssl_csr("ec:sect283k1"),
        "key-not-allowed",
        csrs.UNSUPPORTED_KEY,
    ),
    (
        "a key that signs nothing",
        diffie_hellman_csr,
        "key-not-allowed",
        csrs.UNSUPPORTED_KEY,
    ),
    (
        "a key restricted to PSS",
        lambda: openssl_csr("rsa-pss:2048"),
        "key-not-allowed",
        csrs.PSS_KEY,
    ),
]


@pytest.mark.parametrize(
    ("make", "slug", "template"),
    [(make, slug, template) for _, make, slug, template in REFUSED],
    ids=[what for what, _, _, _ in REFUSED],
)
def test_what_is_read_and_not_sound_is_refused(make: object, slug: str, template: str) -> None:
    error = refusal(make())  # type: ignore[operator]
    assert isinstance(error, Refused)
    assert (error.slug, error.template) == (slug, template)


def test_a_point_that_is_not_on_its_curve_is_refused() -> None:
    octets = csr()
    spki = csrs.read(octets).spki
    off_curve = spki[:-1] + bytes([spki[-1] ^ 1])
    error = refusal(octets.replace(spki, off_curve))
    assert (error.slug, error.template) == ("not-a-csr", csrs.DAMAGED)


def test_damage_at_any_place_is_refused_or_leaves_all_that_is_signed_as_it_was() -> None:
    """An ECDSA signature can be written in more than one way; what it signs cannot."""
    octets = csr(["DNS:www.example.test", "IP:192.0.2.1"], common_name="www.example.test")
    for position in range(len(octets)):
        for change in (0x01, 0x80, 0xFF):
            damaged = bytearray(octets)
            damaged[position] ^= change
            try:
                found = csrs.read(bytes(damaged))
            except RequesterError:
                continue
            assert replace(found, der=octets) == csrs.read(octets)


def test_damage_that_the_signature_covers_is_read_as_gracefully() -> None:
    """Whatever the extensions hold, when the requester signed it themselves."""
    for value in (b"", b"\x30", b"\x30\x05\x87\x03abc", b"xyz", b"\x30\x02\x82\x00"):
        san = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, value)
        error = refusal(csr([], extensions=[san]))
        assert error.slug in ("not-a-csr", "invalid-name")
    broken_usage = x509.UnrecognizedExtension(x509.KeyUsage.oid, b"xyz")
    error = refusal(csr(extensions=[broken_usage]))
    assert (error.slug, error.template) == ("not-a-csr", requested.DAMAGED)
