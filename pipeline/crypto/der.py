"""As much of DER (X.690) as it takes to put a certificate together, and to identify a key."""

from typing import Final, NamedTuple

SEQUENCE: Final = 0x30
BIT_STRING: Final = 0x03
INTEGER: Final = 0x02
OCTET_STRING: Final = 0x04
UTF8_STRING: Final = 0x0C
_VERSION: Final = 0xA0
_LONG_FORM: Final = 0x80


def certificate(tbs: bytes, signature: bytes) -> bytes:
    """Return the Certificate of a TBSCertificate and its signature (RFC 5280 section 4.1.1).

    The signatureAlgorithm is that of the TBS, since both must be the same.

    Raises:
        ValueError: when the TBS is not one.
    """
    return signed(tbs, _signature_algorithm(tbs), signature)


def request_info(request: bytes, old_spki: bytes, new_spki: bytes) -> tuple[bytes, bytes]:
    """Return the CertificationRequestInfo of a CSR (RFC 2986 section 4.1) with another key in it,
    and the AlgorithmIdentifier of its signature.

    Raises:
        ValueError: when it is no CSR for the old key.
    """
    position, _ = _content(request, 0, SEQUENCE)
    start, end = _content(request, position, SEQUENCE)
    _, algorithm_end = _content(request, end, SEQUENCE)
    if request[start:end].count(old_spki) != 1:
        raise ValueError("this is not a CSR for that key")
    content = request[start:end].replace(old_spki, new_spki)
    return encode(SEQUENCE, content), request[end:algorithm_end]


def signed(content: bytes, algorithm: bytes, signature: bytes) -> bytes:
    """Return what is signed, the AlgorithmIdentifier and the signature as one element."""
    return encode(SEQUENCE, content + algorithm + encode(BIT_STRING, b"\x00" + signature))


def encode(tag: int, content: bytes) -> bytes:
    """Return one element: tag, definite length, content."""
    length = len(content)
    if length < _LONG_FORM:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, _LONG_FORM | len(octets))) + octets + content


def content(element: bytes) -> bytes:
    """Return the content of one element.

    Raises:
        ValueError: when it is cut off.
    """
    start, end = _content(element, 0, element[0] if element else SEQUENCE)
    return element[start:end]


def elements(octets: bytes) -> list[bytes]:
    """Return the elements that follow one another in these octets.

    Raises:
        ValueError: when the last one is cut off.
    """
    found, position = [], 0
    while position < len(octets):
        _, end = _content(octets, position, octets[position])
        found.append(octets[position:end])
        position = end
    return found


def _signature_algorithm(tbs: bytes) -> bytes:
    """Return the AlgorithmIdentifier that follows version and serial number."""
    try:
        position, _ = _content(tbs, 0, SEQUENCE)
        for tag in (_VERSION, INTEGER):
            _, position = _content(tbs, position, tag)
        _, end = _content(tbs, position, SEQUENCE)
    except ValueError:
        raise ValueError("this is not the TBS of a certificate") from None
    return tbs[position:end]


def key_bits(spki: bytes) -> bytes:
    """Return the content of the subjectPublicKey of a SubjectPublicKeyInfo (section 4.1.2.7).

    Raises:
        ValueError: when it is not one.
    """
    position, _ = _content(spki, 0, SEQUENCE)
    _, position = _content(spki, position, SEQUENCE)
    start, end = _content(spki, position, BIT_STRING)
    return spki[start + 1 : end]  # The first octet counts unused bits, of which there are none.


class Issued(NamedTuple):
    """What a certificate (RFC 5280 section 4.1) says of its signature, each as it stands there: the
    algorithm in its TBS, and that beside the signature."""

    tbs: bytes
    algorithm: bytes
    issuer: bytes
    signature_algorithm: bytes


def issued(certificate: bytes) -> Issued:
    """Return what a certificate of version 3 says of its signature.

    Raises:
        ValueError: when it is not one.
    """
    tbs, signature_algorithm, _ = elements(content(certificate))
    _, _, algorithm, issuer, *_ = elements(content(tbs))
    return Issued(tbs, algorithm, issuer, signature_algorithm)


def certificate_subject(certificate: bytes) -> bytes:
    """Return the subject of a certificate of version 3, as it stands there.

    Raises:
        ValueError: when it is not one.
    """
    return _after(certificate, (_VERSION, INTEGER, SEQUENCE, SEQUENCE, SEQUENCE))


def certificate_spki(certificate: bytes) -> bytes:
    """Return the SubjectPublicKeyInfo of a certificate, as it stands there (RFC 5280 section 4.1; of
    version 3).

    Raises:
        ValueError: when it is not one.
    """
    return _after(certificate, (_VERSION, INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE))


def request_spki(request: bytes) -> bytes:
    """Return the SubjectPublicKeyInfo of a CSR, as it stands there (RFC 2986 section 4.1).

    Raises:
        ValueError: when it is not one.
    """
    return _after(request, (INTEGER, SEQUENCE))


def _after(signed: bytes, tags: tuple[int, ...]) -> bytes:
    """Return the sequence that follows elements with these tags, in what is signed."""
    position, _ = _content(signed, 0, SEQUENCE)
    position, _ = _content(signed, position, SEQUENCE)
    for tag in tags:
        _, position = _content(signed, position, tag)
    _, end = _content(signed, position, SEQUENCE)
    return signed[position:end]


def utf8_string(element: bytes) -> str:
    """Return the text of an element that is a UTF8String and nothing more.

    Raises:
        ValueError: when it is not one.
    """
    start, end = _content(element, 0, UTF8_STRING)
    text = element[start:end].decode("utf-8")
    if encode(UTF8_STRING, element[start:end]) != element:
        raise ValueError("this is not the DER of a text")
    return text


def _content(der: bytes, position: int, tag: int) -> tuple[int, int]:
    """Return where the content of the element at a position begins and ends."""
    if position + 2 > len(der) or der[position] != tag:
        raise ValueError("another element was expected here")
    first = der[position + 1]
    start = position + 2
    if first < _LONG_FORM:
        end = start + first
    else:
        octets = der[start : start + (first & 0x7F)]
        start += len(octets)
        end = start + int.from_bytes(octets, "big")
    if end > len(der):
        raise ValueError("the element is cut off")
    return start, end
