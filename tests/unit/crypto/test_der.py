import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.crypto import der, public_keys
from tests.factories import csr, issuer


@pytest.mark.parametrize("length", [0, 1, 127, 128, 255, 256, 65535, 65536])
def test_lengths_are_definite_and_shortest(length: int) -> None:
    element = der.encode(0x04, b"x" * length)
    header = element[: len(element) - length]
    octets = {1: 2, 2: 3, 3: 4}.get((length.bit_length() + 7) // 8 if length > 127 else 0, 1)
    assert len(header) == 1 + octets
    assert element.endswith(b"x" * length)


@pytest.mark.parametrize("kind", ["ec:P-256", "ed25519", "rsa:2048"])
def test_a_certificate_put_together_again_is_the_same(kind: str) -> None:
    certificate = issuer(kind).certificate
    again = der.certificate(certificate.tbs_certificate_bytes, certificate.signature)
    assert again == certificate.public_bytes(Encoding.DER)


@pytest.mark.parametrize("kind", ["ec:P-256", "ed25519", "rsa:2048"])
def test_the_key_is_found_in_certificates_and_csrs(kind: str) -> None:
    certificate = issuer(kind).certificate
    found = der.certificate_spki(certificate.public_bytes(Encoding.DER))
    assert found == public_keys.spki(certificate.public_key())
    octets = csr(key_kind=kind)
    requested = x509.load_der_x509_csr(octets).public_key()
    assert der.request_spki(octets) == public_keys.spki(requested)


def test_what_is_cut_off_before_its_key_ends_has_none() -> None:
    octets = csr()
    for end in range(octets.index(der.request_spki(octets)) + 1):
        with pytest.raises(ValueError, match=r"cut off|expected"):
            der.request_spki(octets[:end])


@pytest.mark.parametrize(
    "tbs", [b"", b"\x30", b"\x30\x03\xa0\x01\x00", b"\x04\x00", b"\x30\x84\xff"]
)
def test_what_is_not_a_tbs_is_refused(tbs: bytes) -> None:
    with pytest.raises(ValueError, match="not the TBS"):
        der.certificate(tbs, b"")


def test_a_damaged_tbs_is_refused_or_unreadable() -> None:
    tbs = issuer().certificate.tbs_certificate_bytes
    for end in range(0, len(tbs), 7):
        with pytest.raises(ValueError, match=r"not the TBS|parsing"):
            x509.load_der_x509_certificate(der.certificate(tbs[:end], b""))


def test_elements_are_taken_apart_as_they_were_put_together() -> None:
    parts = [der.encode(der.INTEGER, b"\x01"), der.encode(der.OCTET_STRING, b"x" * 200)]
    sequence = der.encode(der.SEQUENCE, b"".join(parts))
    assert der.elements(der.content(sequence)) == parts
    assert der.elements(b"") == []


@pytest.mark.parametrize("cut", [b"", b"\x30", b"\x30\x05\x02", b"\x30\x82\x01"])
def test_an_element_that_is_cut_off_is_refused(cut: bytes) -> None:
    with pytest.raises(ValueError, match=r"expected|cut off"):
        der.content(cut)
    if cut:
        with pytest.raises(ValueError, match=r"expected|cut off"):
            der.elements(cut)
