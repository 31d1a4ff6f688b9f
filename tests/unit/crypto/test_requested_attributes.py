"""The attributes of a CSR: where it says which extensions it asks for, and all others."""

import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from pipeline.crypto import csr as csrs
from pipeline.crypto import der, requested
from pipeline.errors import Unreadable
from tests.factories import (
    csr,
    key,
    openssl,
    openssl_key,
    write,
)

MICROSOFT = bytes.fromhex("060a2b06010401823702010e")
STANDARD = bytes.fromhex("06092a864886f70d01090e")
CHALLENGE = bytes.fromhex("06092a864886f70d010907")


def with_requests(*extension_requests: bytes) -> bytes:
    """Return a CSR with these attributes, of which no tool writes more than one."""
    info, algorithm, _ = der.elements(der.content(csr()))
    version, subject, spki, _ = der.elements(der.content(info))
    attributes = der.encode(0xA0, b"".join(sorted(extension_requests)))
    info = der.encode(der.SEQUENCE, version + subject + spki + attributes)
    signer = key("ec:P-256").private_key
    assert isinstance(signer, EllipticCurvePrivateKey)
    return der.signed(info, algorithm, signer.sign(info, ECDSA(SHA256())))


def to_pem(octets: bytes) -> bytes:
    text = ssl.DER_cert_to_PEM_cert(octets)
    return text.replace("CERTIFICATE", "CERTIFICATE REQUEST").encode()


def extension_request(*names: str, oid: bytes = STANDARD, ca: bool = False) -> bytes:
    """Return the attribute with the extensions that a CSR asks for."""
    constraints = [x509.BasicConstraints(ca=True, path_length=None)] if ca else []
    info, *_ = der.elements(der.content(csr(names, extensions=constraints)))
    *_, attributes = der.elements(der.content(info))
    content = der.content(der.content(attributes)).replace(STANDARD, oid)
    return der.encode(der.SEQUENCE, content)


def test_extensions_are_read_in_the_attribute_that_microsoft_had_for_them() -> None:
    found = csrs.read(with_requests(extension_request("DNS:a.test", oid=MICROSOFT, ca=True)))
    assert [str(name) for name in found.names] == ["DNS:a.test"]
    assert found.ignored == ("extension basicConstraints",)


@pytest.mark.parametrize("oid", [STANDARD, MICROSOFT])
def test_two_attributes_with_extensions_are_refused(oid: bytes) -> None:
    """Only one of them would be read, and the other never shown."""
    second = extension_request("DNS:b.test", oid=oid, ca=True)
    with pytest.raises(Unreadable) as caught:
        csrs.read(with_requests(extension_request("DNS:a.test"), second))
    assert caught.value.template == requested.DAMAGED


def test_a_csr_that_holds_the_text_of_another_is_itself() -> None:
    """The web side showed the first, and the signer, who reads what that stored, signed the second."""
    inner = der.encode(der.UTF8_STRING, to_pem(csr(["DNS:b.test"])))
    password = der.encode(der.SEQUENCE, CHALLENGE + der.encode(0x31, inner))
    octets = with_requests(extension_request("DNS:a.test"), password)
    for sent in (octets, to_pem(octets)):
        found = csrs.read(sent)
        assert [str(name) for name in found.names] == ["DNS:a.test"]
        assert csrs.read(found.der) == found


def test_a_challenge_password_is_listed_without_its_value() -> None:
    text = """
        [req]
        distinguished_name=d
        attributes=a
        prompt=no
        [d]
        CN=x
        [a]
        challengePassword=hush
    """
    arguments = ["req", "-new", "-key", "/dev/stdin", "-config", str(write(text))]
    octets = openssl(*arguments, octets=openssl_key("ec:P-256"))
    found = csrs.read(octets)
    assert "attribute challengePassword" in found.ignored
    assert "hush" not in repr(found)
