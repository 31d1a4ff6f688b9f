import base64
import codecs
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
from pipeline.crypto import pem, requested, weak_keys
from pipeline.crypto.names import Name
from pipeline.errors import Refused, RequesterError, TooLarge, Unreadable
from pipeline.messages import MAX_CSR_BYTES
from tests.factories import csr, issuer, openssl, openssl_csr, openssl_key

KINDS = ["rsa:2048", "rsa:3072", "ec:P-256", "ec:P-384", "ec:P-521", "ed25519"]


def to_der(pem_csr: bytes) -> bytes:
    return openssl("req", "-outform", "DER", octets=pem_csr)


def refusal(octets: bytes) -> RequesterError:
    with pytest.raises(RequesterError) as caught:
        csrs.read(octets)
    assert str(caught.value).isprintable()
    return caught.value


@pytest.mark.parametrize("kind", KINDS)
def test_a_csr_by_openssl_is_read(kind: str) -> None:
    octets = openssl_csr(kind, ("DNS:www.example.test", "IP:192.0.2.1"), "/CN=www.example.test")
    found = csrs.read(octets)
    assert found.der == to_der(octets)
    assert found.key.kind == kind
    assert found.spki == openssl("pkey", "-pubout", "-outform", "DER", octets=openssl_key(kind))
    assert found.names == (Name("dns", "www.example.test"), Name("ip", "192.0.2.1"))
    assert found.subject == "CN=www.example.test"
    assert found.taken_common_name == found.common_name == "www.example.test"
    assert found.unsupported_names == found.ignored == ()


@pytest.mark.parametrize("digest", ["sha224", "sha256", "sha384", "sha512", "sha3-256"])
@pytest.mark.parametrize("kind", ["rsa:2048", "ec:P-256"])
def test_sound_signature_algorithms_are_read(kind: str, digest: str) -> None:
    assert csrs.read(openssl_csr(kind, digest=digest)).key.kind == kind


def test_a_pss_signature_by_an_ordinary_rsa_key_is_read() -> None:
    options = ("-sigopt", "rsa_padding_mode:pss")
    assert csrs.read(openssl_csr("rsa:2048", options=options)).key.kind == "rsa:2048"


def test_other_sound_keys_are_read_and_left_to_the_profile() -> None:
    assert csrs.read(openssl_csr("ed448")).key.kind == "ed448"
    assert csrs.read(openssl_csr("ec:secp256k1")).key.kind == "ec:secp256k1"


@pytest.mark.parametrize(
    "change",
    [
        to_der,
        lambda octets: b"Bag Attributes\n  friendlyName: x\n" + octets + b"\nregards\n",
        lambda octets: octets.replace(b"\n", b"\r\n"),
        lambda octets: octets.replace(b"\n", b"\r"),
        lambda octets: octets.replace(b"CERTIFICATE REQUEST", b"NEW CERTIFICATE REQUEST"),
        lambda octets: b"\xef\xbb\xbf" + octets,  # a byte order mark, as Notepad writes it
        lambda octets: codecs.BOM_UTF16_LE + octets.decode().encode("utf-16-le"),  # PowerShell's >
        lambda octets: codecs.BOM_UTF16_BE + octets.decode().encode("utf-16-be"),
        lambda octets: b"\n".join(b"  " + line + b" " for line in octets.splitlines()),
        lambda octets: octets.rstrip(),
        lambda octets: octets + issuer().certificate.public_bytes(Encoding.PEM),
    ],
)
def test_every_usual_way_of_sending_a_csr_is_read(change: object) -> None:
    octets = openssl_csr()
    assert csrs.read(change(octets)).der == to_der(octets)  # type: ignore[operator]


def test_the_text_that_openssl_prints_around_is_read() -> None:
    octets = openssl_csr()
    printed = openssl("req", "-text", octets=octets)
    assert csrs.read(printed).der == to_der(octets)


NOT_CSRS: list[tuple[str, object, str, str]] = [
    ("nothing", lambda: b"", "not-a-csr", pem.NOTHING),
    ("a greeting", lambda: b"hello", "not-a-csr", pem.NOTHING),
    ("bare base64", lambda: base64.b64encode(csr()), "not-a-csr", pem.NOTHING),
    ("binary garbage", lambda: bytes(range(256)), "not-a-csr", pem.NOTHING),
    ("DER garbage", lambda: b"\x30\x82\x01\x00" + bytes(256), "not-a-csr", pem.NOTHING),
    ("half a CSR", lambda: csr()[:-20], "not-a-csr", pem.NOTHING),
    ("trailing bytes", lambda: csr() + b"\x00", "not-a-csr", pem.NOTHING),
    ("two CSRs in DER", lambda: csr() * 2, "not-a-csr", pem.NOTHING),
    (
        "garbage in PEM",
        lambda: b"-----BEGIN CERTIFICATE REQUEST-----\nMDAw\n-----END CERTIFICATE REQUEST-----",
        "not-a-csr",
        pem.NOTHING,
    ),
    (
        "a certificate",
        lambda: issuer().certificate.public_bytes(Encoding.PEM),
        "not-a-csr",
        pem.CERTIFICATE,
    ),
    (
        "a certificate in DER",
        lambda: issuer().certificate.public_bytes(Encoding.DER),
        "not-a-csr",
        pem.CERTIFICATE,
    ),
    (
        "a public key",
        lambda: openssl("pkey", "-pubout", octets=openssl_key("ec:P-256")),
        "not-a-csr",
        pem.PUBLIC_KEY,
    ),
    (
        "a public key in DER",
        lambda: openssl("pkey", "-pubout", "-outform", "DER", octets=openssl_key("rsa:2048")),
        "not-a-csr",
        pem.PUBLIC_KEY,
    ),
    (
        "a CRL",
        lambda: b"-----BEGIN X509 CRL-----\nMDAw\n-----END X509 CRL-----\n",
        "not-a-csr",
        pem.SOMETHING_ELSE,
    ),
    ("a private key", lambda: openssl_key("ec:P-256"), "private-key-sent", pem.PRIVATE_KEY),
    (
        "a private key of the traditional kind",
        lambda: openssl("rsa", "-traditional", octets=openssl_key("rsa:2048")),
        "private-key-sent",
        pem.PRIVATE_KEY,
    ),
    (
        "an encrypted private key",
        lambda: openssl(
            "pkcs8", "-topk8", "-passout", "pass:secret", octets=openssl_key("ec:P-256")
        ),
        "private-key-sent",
        pem.PRIVATE_KEY,
    ),
    (
        "a private key in DER",
        lambda: openssl("pkey", "-outform", "DER", octets=openssl_key("ec:P-256")),
        "private-key-sent",
        pem.PRIVATE_KEY,
    ),
    (
        "an encrypted private key in DER",
        lambda: openssl(
            *("pkcs8", "-topk8", "-passout", "pass:secret", "-outform", "DER"),
            octets=openssl_key("ec:P-256"),
        ),
        "private-key-sent",
        pem.PRIVATE_KEY,
    ),
    (
        "an OpenSSH key",
        lambda: b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl",
        "private-key-sent",
        pem.PRIVATE_KEY,
    ),
    (
        "a PuTTY key",
        lambda: b"PuTTY-User-Key-File-3: ssh-ed25519\n",
        "private-key-sent",
        pem.PRIVATE_KEY,
    ),
    (
        "a CSR with its private key",
        lambda: openssl_csr() + openssl_key("ec:P-256"),
        "private-key-sent",
        pem.PRIVATE_KEY,
    ),
    ("two CSRs", lambda: openssl_csr() * 2, "two-csrs", pem.TWO),
    (
        "a changed letter that is no base64",
        lambda: openssl_csr().replace(b"MII", b"M!I", 1).replace(b"MIH", b"M!H", 1),
        "broken-base64",
        pem.BROKEN,
    ),
    (
        "a missing letter",
        lambda: openssl_csr().replace(b"=\n-----END", b"\n-----END").replace(b"\nM", b"\n", 1),
        "broken-base64",
        pem.BROKEN,
    ),
    (
        "a hyphen in the text",
        lambda: openssl_csr().replace(b"M", b"-", 1),
        "broken-base64",
        pem.BROKEN,
    ),
    (
        "no text at all",
        lambda: b"-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n",
        "broken-base64",
        pem.BROKEN,
    ),
    ("no END line", lambda: openssl_csr()[:-40], "broken-base64", pem.CUT_OFF),
]


@pytest.mark.parametrize(
    ("make", "slug", "template"),
    [(make, slug, template) for _, make, slug, template in NOT_CSRS],
    ids=[what for what, _, _, _ in NOT_CSRS],
)
def test_what_cannot_be_read_is_named(make: object, slug: str, template: str) -> None:
    error = refusal(make())  # type: ignore[operator]
    assert isinstance(error, Unreadable)
    assert (error.slug, error.template) == (slug, template)


def test_over_64_kib_is_too_large() -> None:
    padding = b"x" * (MAX_CSR_BYTES + 1 - len(openssl_csr()))
    assert isinstance(refusal(openssl_csr() + padding), TooLarge)
    assert csrs.read(openssl_csr() + padding[:-1]).names


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
