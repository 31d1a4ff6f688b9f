"""CSRs are read, by whichever tool and in whichever form they come."""

import codecs

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.crypto import csr as csrs
from pipeline.crypto.names import Name
from pipeline.errors import TooLarge
from pipeline.messages import MAX_CSR_BYTES
from tests.factories import issuer, openssl, openssl_csr, openssl_key
from tests.unit.crypto.csr_refusal import refusal

KINDS = ["rsa:2048", "rsa:3072", "ec:P-256", "ec:P-384", "ec:P-521", "ed25519"]


def to_der(pem_csr: bytes) -> bytes:
    return openssl("req", "-outform", "DER", octets=pem_csr)


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


def test_over_64_kib_is_too_large() -> None:
    padding = b"x" * (MAX_CSR_BYTES + 1 - len(openssl_csr()))
    assert isinstance(refusal(openssl_csr() + padding), TooLarge)
    assert csrs.read(openssl_csr() + padding[:-1]).names
