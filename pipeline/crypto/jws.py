"""JSON Web Signature in compact serialization (RFC 7515), as far as HttpCA speaks it.

The algorithm is never taken from the token: it follows from the key of the certificate that the
token names, and the token must agree.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from pipeline.errors import MessageRefused

TYPE: Final = "httpca+jws"

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
PublicKey = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The protected header: nothing else is read, and nothing else may be there."""

    alg: str
    thumbprint: str = msgspec.field(name="x5t#S256")
    typ: str = TYPE


@dataclass(frozen=True, slots=True)
class Token:
    """A token taken apart and not yet believed."""

    header: Header
    signed: bytes
    payload: bytes
    signature: bytes


_header_decoder = msgspec.json.Decoder(Header)


def algorithm(key: PublicKey) -> str:
    """Return the one ``alg`` that a key may sign with (RFC 7518 §3.4, RFC 8037 §3.1).

    Raises:
        ValueError: the key is of no kind that signs messages.
    """
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "EdDSA"
    if key.curve.name not in _CURVES:
        raise ValueError("message keys are Ed25519, P-256 or P-384")
    return _CURVES[key.curve.name].alg


@dataclass(frozen=True, slots=True)
class _Curve:
    """How a curve signs (RFC 7518 section 3.4): ``size`` is that of r and of s, in octets; ``order``
    that of the group (SEC 2 sections 2.4.2 and 2.5.1)."""

    alg: str
    digest: hashes.HashAlgorithm
    size: int
    order: int


_CURVES: Final = {
    "secp256r1": _Curve(
        "ES256",
        hashes.SHA256(),
        32,
        0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    ),
    "secp384r1": _Curve(
        "ES384",
        hashes.SHA384(),
        48,
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    ),
}


def encode(octets: bytes) -> bytes:
    """Base64url without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=")


def sign(payload: bytes, key: PrivateKey, thumbprint: str) -> bytes:
    """Return the compact token over ``payload``."""
    header = Header(alg=algorithm(key.public_key()), thumbprint=thumbprint)
    signed = encode(msgspec.json.encode(header)) + b"." + encode(payload)
    return signed + b"." + encode(_signature(key, signed))


def parse(octets: bytes) -> Token:
    """Take a token apart.

    Raises:
        MessageRefused: ``not-a-jws`` or ``bad-header``.
    """
    parts = octets.split(b".", 3)
    if len(parts) != 3:
        raise MessageRefused("not-a-jws")
    raw_header, payload, signature = (_decode(part) for part in parts)
    try:
        header = _header_decoder.decode(raw_header)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageRefused("bad-header") from error
    if header.typ != TYPE or msgspec.json.encode(header) != raw_header:
        raise MessageRefused("bad-header")
    return Token(header, parts[0] + b"." + parts[1], payload, signature)


def verify(token: Token, key: PublicKey) -> None:
    """Check that ``key`` made the token's signature, by the key's own algorithm.

    Raises:
        MessageRefused: ``wrong-algorithm`` or ``bad-signature``.
    """
    if token.header.alg != algorithm(key):
        raise MessageRefused("wrong-algorithm")
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(token.signature, token.signed)
        else:
            curve = _CURVES[key.curve.name]
            r = int.from_bytes(token.signature[: curve.size], "big")
            s = int.from_bytes(token.signature[curve.size :], "big")
            if len(token.signature) != 2 * curve.size or s > curve.order // 2:
                raise MessageRefused("bad-signature")
            key.verify(encode_dss_signature(r, s), token.signed, ec.ECDSA(curve.digest))
    except InvalidSignature as error:
        raise MessageRefused("bad-signature") from error


def _signature(key: PrivateKey, signed: bytes) -> bytes:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(signed)
    curve = _CURVES[key.curve.name]
    r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(curve.digest)))
    # With s, order - s is a signature too, and anybody can make one of the other: only the lower one
    # is accepted, so that a message has one form.
    s = min(s, curve.order - s)
    return r.to_bytes(curve.size, "big") + s.to_bytes(curve.size, "big")


def _decode(part: bytes) -> bytes:
    try:
        octets = base64.b64decode(part + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise MessageRefused("not-a-jws") from error
    if encode(octets) != part:  # one form only: no padding, no stray bits
        raise MessageRefused("not-a-jws")
    return octets
