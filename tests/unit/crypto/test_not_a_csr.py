"""What is sent in the place of a CSR is named, so that its sender knows what to send."""

import base64

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.crypto import pem
from pipeline.crypto.der import INTEGER, SEQUENCE, encode
from pipeline.errors import Unreadable
from tests.factories import csr, issuer, openssl, openssl_csr, openssl_key
from tests.unit.crypto import diffie_hellman
from tests.unit.crypto.csr_refusal import refusal

NOT_CSRS: list[tuple[str, object, str, str]] = [
    ("nothing", lambda: b"", "not-a-csr", pem.NOTHING),
    ("a greeting", lambda: b"hello", "not-a-csr", pem.NOTHING),
    ("bare base64", lambda: base64.b64encode(csr()), "not-a-csr", pem.NOTHING),
    ("binary garbage", lambda: bytes(range(256)), "not-a-csr", pem.NOTHING),
    ("DER garbage", lambda: b"\x30\x82\x01\x00" + bytes(256), "not-a-csr", pem.NOTHING),
    ("half a CSR", lambda: csr()[:-20], "not-a-csr", pem.NOTHING),
    ("trailing bytes", lambda: csr() + b"\x00", "not-a-csr", pem.NOT_BY_THE_STANDARD),
    ("two CSRs in DER", lambda: csr() * 2, "not-a-csr", pem.NOT_BY_THE_STANDARD),
    (
        "a name in a PrintableString that cannot hold it",
        lambda: csr(common_name="*.example.test").replace(b"\x0c\x0e*.ex", b"\x13\x0e*.ex"),
        "not-a-csr",
        pem.NOT_BY_THE_STANDARD,
    ),
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
        "a public key that signs nothing in DER",
        diffie_hellman.public_key,
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
        "a private key of the traditional kind in DER",
        lambda: openssl(
            *("rsa", "-traditional", "-outform", "DER"), octets=openssl_key("rsa:2048")
        ),
        "private-key-sent",
        pem.PRIVATE_KEY,
    ),
    (
        # To find out that its factors are no primes would take long when it is large.
        "a private key whose numbers do not fit",
        lambda: encode(SEQUENCE, encode(INTEGER, b"\0") + encode(INTEGER, b"\1") * 8),
        "private-key-sent",
        pem.PRIVATE_KEY,
    ),
    (
        "a private key of a curve in DER",
        lambda: openssl("ec", "-outform", "DER", octets=openssl_key("ec:P-256")),
        "private-key-sent",
        pem.PRIVATE_KEY,
    ),
    (
        "the public key of RSA alone in DER",
        lambda: openssl(
            *("rsa", "-RSAPublicKey_out", "-outform", "DER"), octets=openssl_key("rsa:2048")
        ),
        "not-a-csr",
        pem.PUBLIC_KEY,
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
