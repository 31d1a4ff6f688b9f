"""What an attacker forges with: tokens and payloads of any form, signed by whatever key they have."""

import base64
import json
import struct
from datetime import datetime
from typing import Any, Final

import pika
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from pipeline.crypto import jws
from pipeline.crypto.envelope import Envelope
from pipeline.crypto.identity import Identity, read_certificate
from pipeline.messages import Body
from pipeline.setup import message_ca
from pipeline.stages import Stage

Json = dict[str, Any]

P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The order of P-256's group (SEC 2 section 2.4.2)."""


def b64(octets: bytes) -> bytes:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=")


def unb64(part: bytes) -> bytes:
    """Undo ``b64``."""
    return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))


def dumps(value: object) -> bytes:
    """JSON without white space, as our messages are written."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def header_of(token: bytes) -> Json:
    """Return a token's protected header."""
    found: Json = json.loads(unb64(token.split(b".")[0]))
    return found


def payload_of(token: bytes) -> Json:
    """Return a token's payload."""
    found: Json = json.loads(unb64(token.split(b".")[1]))
    return found


def with_header(token: bytes, header: object) -> bytes:
    """Replace a token's header and leave its signature."""
    raw = header if isinstance(header, bytes) else dumps(header)
    return b".".join((b64(raw), *token.split(b".")[1:]))


def with_signature(token: bytes, signature: bytes) -> bytes:
    """Replace a token's signature."""
    return token.rpartition(b".")[0] + b"." + b64(signature)


def resigned(token: bytes, header: object, key: jws.PrivateKey) -> bytes:
    """Replace a token's header and sign anew, as somebody who has the key can."""
    raw = header if isinstance(header, bytes) else dumps(header)
    signed = b64(raw) + b"." + token.split(b".")[1]
    return signed + b"." + b64(sign(key, signed))


def sign(key: jws.PrivateKey, signed: bytes) -> bytes:
    """Sign octets as a JWS does (RFC 7518 section 3.4, RFC 8037 section 3.1)."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(signed)
    r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(SHA256())))
    return fixed(r) + fixed(min(s, P256_ORDER - s))


def fixed(number: int) -> bytes:
    """Return a number in 32 octets, as r and s of P-256 are written."""
    return number.to_bytes(32, "big")


def signed(payload: bytes, me: Identity) -> bytes:
    """Sign whatever payload."""
    return jws.sign(payload, me.private_key, me.certificate.thumbprint)


def seal(me: Identity, stage: Stage, message_id: str, body: Body, moment: datetime) -> bytes:
    """Seal a body as the program does, at any time."""
    return Envelope(me, None, lambda: moment).seal(message_id, stage, body)


def identity(issued: message_ca.Issued) -> Identity:
    """Return the identity of a certificate that was just issued."""
    return Identity(read_certificate(issued.certificate), issued.key)


def certificate(
    ca: x509.Certificate,
    ca_key: Any,
    public_key: Any,
    uris: list[str],
    begins: datetime,
    ends: datetime,
    *,
    usage: x509.KeyUsage | None = None,
) -> x509.Certificate:
    """Make a certificate with whatever names by whatever CA; without ``usage`` it allows nothing."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(ca.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )
    if uris:
        names = [x509.UniformResourceIdentifier(uri) for uri in uris]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
    if usage is not None:
        builder = builder.add_extension(usage, critical=True)
    digest = None if isinstance(ca_key, ed25519.Ed25519PrivateKey) else SHA256()
    return builder.sign(ca_key, digest)


class RawHeaders(pika.BasicProperties):
    """Properties whose table of headers is exactly these octets, for what pika would not write."""

    def __init__(self, table: bytes) -> None:
        super().__init__()
        self.table = table

    def encode(self) -> list[bytes]:
        """Return flags (only headers are there) and the table (AMQP 0-9-1 section 4.2.6.1)."""
        return [struct.pack(">H", 1 << 13), struct.pack(">I", len(self.table)), self.table]


def nested(depth: int) -> bytes:
    """Return a header of tables within tables."""
    value = b"V"
    for _ in range(depth):
        inner = b"\x01k" + value
        value = b"F" + struct.pack(">I", len(inner)) + inner
    return b"\x01k" + value
