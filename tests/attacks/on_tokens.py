"""Attacks on a token's form: what is no JWS of ours is refused before a key is looked up."""

import base64
import gzip
import json

from pipeline.messages import MAX_MESSAGE_BYTES
from tests.attacks.attack import NOTHING, WEB_KEY, Attack, Spoil
from tests.attacks.forge import RawHeaders, dumps, nested, unb64


def _parts(token: bytes) -> list[bytes]:
    return token.split(b".")


def _spare_bits(part: bytes) -> bytes:
    """Set a bit that base64url does not use: the octets stay the same (RFC 4648 section 3.5)."""
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(part) % 4 in (2, 3)
    other = part[:-1] + alphabet[alphabet.index(part[-1]) ^ 1 :][:1]
    assert unb64(other) == unb64(part)
    return other


def _json_serialization(token: bytes) -> bytes:
    header, payload, signature = (part.decode() for part in _parts(token))
    return dumps({"protected": header, "payload": payload, "signature": signature})


def _of_dramatiq(token: bytes) -> bytes:
    """A message as Dramatiq itself writes it, with the token as the argument of the actor."""
    return json.dumps(
        {
            "queue_name": "signer.sign",
            "actor_name": "sign",
            "args": [token.decode()],
            "kwargs": {},
            "options": {"eta": 1, "pipe_target": {}},
            "message_id": "1",
            "message_timestamp": 1,
        }
    ).encode()


def _other_alphabet(token: bytes) -> bytes:
    """Write the signature in the alphabet of common base64, with a character that has another one."""
    header, payload, signature = _parts(token)
    octets = b"\xfb\xff" + unb64(signature)[2:]
    return b".".join((header, payload, base64.b64encode(octets).rstrip(b"=")))


PICKLE = b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R."
"""What would run a command when it is unpickled."""

_FORMS: list[tuple[str, Spoil]] = [
    ("nothing at all", lambda g, n: b""),
    ("rubbish", lambda g, n: b"rubbish"),
    ("two parts", lambda g, n: n.octets.rpartition(b".")[0]),
    ("five parts, as a JWE has", lambda g, n: n.octets + b".e30.e30"),
    ("a detached signature", lambda g, n: b"." + _parts(n.octets)[2]),
    ("JSON serialization (RFC 7515 section 7.2)", lambda g, n: _json_serialization(n.octets)),
    ("a message as Dramatiq writes it", lambda g, n: _of_dramatiq(n.octets)),
    ("a pickle", lambda g, n: PICKLE),
    ("a pickle before the token", lambda g, n: PICKLE + n.octets),
    ("a byte order mark before it", lambda g, n: b"\xef\xbb\xbf" + n.octets),
    ("a line break behind it", lambda g, n: n.octets + b"\n"),
    ("a NUL behind it", lambda g, n: n.octets + b"\0"),
    ("padding behind it", lambda g, n: n.octets + b"=="),
    ("a space inside", lambda g, n: n.octets[:40] + b" " + n.octets[40:]),
    ("two tokens, one behind the other", lambda g, n: n.octets + n.octets),
    ("base64 of another alphabet", lambda g, n: _other_alphabet(n.octets)),
    (
        "unused bits of base64url set",
        lambda g, n: n.octets.rpartition(b".")[0] + b"." + _spare_bits(_parts(n.octets)[2]),
    ),
    ("the token in base64 again", lambda g, n: base64.urlsafe_b64encode(n.octets)),
    ("compressed", lambda g, n: gzip.compress(n.octets)),
    ("UTF-16", lambda g, n: n.octets.decode().encode("utf-16")),
    ("octets that are no text", lambda g, n: b"\xff.\xfe.\xfd"),
]

TOKENS: list[Attack] = [Attack(name, NOTHING, spoil, "not-a-jws") for name, spoil in _FORMS] + [
    Attack("one byte too many", NOTHING, lambda g, n: b"A" * (MAX_MESSAGE_BYTES + 1), "too-large"),
    Attack("10 MiB", NOTHING, lambda g, n: b"A" * (10 * 1024 * 1024), "too-large"),
    Attack(
        "10 MiB behind a genuine message",
        WEB_KEY,
        lambda g, n: n.octets + b"A" * (10 * 1024 * 1024),
        "too-large",
    ),
]

_TIME = b"\x01kT"
"""A header named k that is a time, in seconds since 1970."""

HEADERS_OF_AMQP: list[Attack] = [
    Attack(name, NOTHING, lambda g, n: b"rubbish", "not-a-jws", properties=RawHeaders(table))
    for name, table in (
        ("an AMQP header with a time beyond all years", _TIME + b"\x80" + b"\0" * 7),
        ("an AMQP header with a time in the year 8921556", _TIME + b"\0\1" + b"\0" * 6),
        ("AMQP headers in 5000 nested tables", nested(5000)),
        ("an AMQP header whose name is no text", b"\x02\xff\xfeV"),
    )
]
