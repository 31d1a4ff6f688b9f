"""From what somebody pasted or uploaded to the DER of one CSR (RFC 7468), or a sentence why not."""

import binascii
import codecs
import re
from typing import Final

from cryptography import x509

from pipeline.crypto import der
from pipeline.crypto.visible import visible
from pipeline.errors import N_, TooLarge, Unreadable
from pipeline.messages import MAX_CSR_BYTES

_BLOCK: Final = re.compile(
    rb"-----BEGIN (?P<label>[^\r\n-]{0,60})-----(?P<body>[^-]*)(?P<end>-----END (?P=label)-----)?"
)
_LABELS: Final = frozenset({b"CERTIFICATE REQUEST", b"NEW CERTIFICATE REQUEST"})
_PRIVATE: Final = re.compile(rb"---- ?BEGIN [^\r\n-]{0,60}PRIVATE KEY|PuTTY-User-Key-File-")
_PRIVATE_KEYS: Final = (
    bytes((der.INTEGER, der.SEQUENCE, der.OCTET_STRING)),  # PKCS #8 (RFC 5958 section 2)
    bytes((der.SEQUENCE, der.OCTET_STRING)),  # the same, encrypted (section 3)
    bytes((der.INTEGER, der.OCTET_STRING)),  # of a curve (RFC 5915 section 3)
    bytes((der.INTEGER,) * 6),  # DSA; RSA has nine (RFC 8017 appendix A.1.2)
)
_PUBLIC_KEYS: Final = (
    bytes((der.SEQUENCE, der.BIT_STRING)),  # of any kind (RFC 5280 section 4.1)
    bytes((der.INTEGER, der.INTEGER)),  # of RSA (RFC 8017 appendix A.1.1)
)
_SIGNED: Final = bytes((der.SEQUENCE, der.SEQUENCE, der.BIT_STRING))
_REQUEST_INFOS: Final = (b"\x02\x30\x30\xa0", b"\x02\x30\x30")
"""What is signed in a CSR: version, subject, key, attributes (RFC 2986 section 4.1); some leave out the
last. In no certificate these come first and alone."""
_WHITE_SPACE: Final = bytes.maketrans(b"", b""), b" \t\r\n\v\f"

TOO_LARGE: Final = N_(
    "What you sent is larger than 64 KiB. Send only the CSR, and fewer names if it is that large."
)
NOTHING: Final = N_(
    "There is no CSR in what you sent. Send the whole text from"
    " “-----BEGIN CERTIFICATE REQUEST-----” to “-----END CERTIFICATE REQUEST-----”, or the CSR as DER."
)
NOT_BY_THE_STANDARD: Final = N_(
    "The CSR is damaged, or is not written as the standard wants it (RFC 2986, in DER). Make it again,"
    " by another program if need be (“openssl req -new …”), and send the file as it is."
)
SOMETHING_ELSE: Final = N_(
    "What you sent is not a CSR but “%(label)s”. Send the text that begins with"
    " “-----BEGIN CERTIFICATE REQUEST-----”."
)
CERTIFICATE: Final = N_(
    "What you sent is a certificate, not a CSR. Make a CSR with your private key and send that"
    " (“openssl req -new -key KEY …”)."
)
PUBLIC_KEY: Final = N_(
    "What you sent is a public key, not a CSR. Make a CSR with the private key that belongs to it"
    " and send that (“openssl req -new -key KEY …”)."
)
PRIVATE_KEY: Final = N_(
    "You sent a private key. It has left your hands and must now be considered exposed: make a new"
    " key, never send it to anybody, and send only a CSR."
)
BROKEN: Final = N_(
    "The text between the BEGIN and END lines of the CSR is not valid base64. Copy the whole file"
    " again, without changes."
)
CUT_OFF: Final = N_(
    "The CSR is incomplete: its “-----END %(label)s-----” line is missing. Copy the whole file"
    " again."
)
TWO: Final = N_("You sent %(count)d CSRs. Send each one as a request of its own.")


def unwrap(octets: bytes) -> bytes:
    """Return the DER of the one CSR in PEM, or the octets themselves when they look like DER.

    Text around the PEM block and other blocks are tolerated, unless one is a private key.

    Raises:
        TooLarge: ``too-large``.
        Unreadable: ``not-a-csr``, ``private-key-sent``, ``broken-base64`` or ``two-csrs``.
    """
    if len(octets) > MAX_CSR_BYTES:
        raise TooLarge("too-large", TOO_LARGE)
    if octets[:1] == b"\x30" and (b"-----BEGIN " not in octets or _is_der(octets)):
        return octets
    text = _ascii_compatible(octets)
    if (b"PRIVATE KEY" in text or b"PuTTY" in text) and _PRIVATE.search(text):
        raise Unreadable("private-key-sent", PRIVATE_KEY)
    blocks = list(_BLOCK.finditer(text))
    wanted = [block for block in blocks if block["label"] in _LABELS]
    if not wanted:
        raise _not_a_csr([block["label"] for block in blocks])
    if len(wanted) > 1:
        raise Unreadable("two-csrs", TWO, count=len(wanted))
    return _decode(wanted[0])


def name_what_it_is(octets: bytes) -> Unreadable:
    """Return the error for DER that is not a CSR, having looked for what people send by mistake.

    Keys are known by their outermost elements. To load a private key of RSA is to prove its factors
    prime, and to load a public one of Diffie and Hellman to calculate with it: that takes seconds when
    they are large, and whoever sends them may send them again.
    """
    try:
        tags = _tags(octets)
        inner = _tags(der.content(octets)) if tags == _SIGNED else b""
    except ValueError:
        return Unreadable("not-a-csr", NOTHING)
    if inner in _REQUEST_INFOS:
        return Unreadable("not-a-csr", NOT_BY_THE_STANDARD)
    if tags.startswith(_PRIVATE_KEYS):
        return Unreadable("private-key-sent", PRIVATE_KEY)
    if tags in _PUBLIC_KEYS:
        return Unreadable("not-a-csr", PUBLIC_KEY)
    try:
        x509.load_der_x509_certificate(octets)
    except Exception:  # noqa: BLE001 - a parser of hostile bytes may raise anything
        return Unreadable("not-a-csr", NOTHING)
    return Unreadable("not-a-csr", CERTIFICATE)


def _is_der(octets: bytes) -> bool:
    """Say whether this is one element and nothing else.

    A CSR may hold the text of another one: who took that would read another CSR than was sent.
    """
    try:
        return der.encode(octets[0], der.content(octets)) == octets
    except ValueError:
        return False


def _tags(element: bytes) -> bytes:
    """Return the tags of the elements that this one consists of."""
    return bytes(one[0] for one in der.elements(der.content(element)))


def _ascii_compatible(octets: bytes) -> bytes:
    """Undo what Windows PowerShell's ``>`` does to a file: UTF-16 with a byte order mark."""
    if octets.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return octets.decode("utf-16", "replace").encode("utf-8", "replace")
    return octets


def _not_a_csr(labels: list[bytes]) -> Unreadable:
    if not labels:
        return Unreadable("not-a-csr", NOTHING)
    label = labels[0]
    if label.endswith(b"CERTIFICATE"):
        return Unreadable("not-a-csr", CERTIFICATE)
    if label.endswith(b"PUBLIC KEY"):
        return Unreadable("not-a-csr", PUBLIC_KEY)
    shown = visible(label.decode("utf-8", "replace"), 60)
    return Unreadable("not-a-csr", SOMETHING_ELSE, label=shown)


def _decode(block: re.Match[bytes]) -> bytes:
    if block["end"] is None:
        if b"-----END " in block.string[block.end() :]:
            raise Unreadable("broken-base64", BROKEN)
        raise Unreadable("broken-base64", CUT_OFF, label=block["label"].decode("ascii"))
    try:
        octets = binascii.a2b_base64(block["body"].translate(*_WHITE_SPACE), strict_mode=True)
    except binascii.Error:
        raise Unreadable("broken-base64", BROKEN) from None
    if not octets:
        raise Unreadable("broken-base64", BROKEN)
    return octets
