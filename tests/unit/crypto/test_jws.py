"""Compact tokens: what others make of ours, and what is no token."""

import base64
import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from pipeline.crypto import jws
from pipeline.errors import MessageRefused

KEYS: dict[str, jws.PrivateKey] = {
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
}


def b64(octets: bytes) -> bytes:
    return base64.urlsafe_b64encode(octets).rstrip(b"=")


def token(header: object, payload: bytes = b"{}", signature: bytes = b"") -> bytes:
    raw = (
        header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    )
    return b".".join((b64(raw), b64(payload), b64(signature)))


@pytest.mark.parametrize("algorithm", sorted(KEYS))
def test_an_independent_library_verifies_our_tokens(algorithm: str) -> None:
    made = jws.sign(b'{"a":1}', KEYS[algorithm], "thumb")

    payload = jwt.PyJWS().decode(made.decode(), KEYS[algorithm].public_key(), [algorithm])

    assert payload == b'{"a":1}'


@pytest.mark.parametrize("algorithm", sorted(KEYS))
@given(payload=st.binary(max_size=200))
def test_what_was_signed_is_read_and_verified(algorithm: str, payload: bytes) -> None:
    parsed = jws.parse(jws.sign(payload, KEYS[algorithm], "thumb"))

    jws.verify(parsed, KEYS[algorithm].public_key())

    assert parsed.payload == payload
    assert parsed.header.thumbprint == "thumb"


@pytest.mark.parametrize("algorithm", sorted(KEYS))
@pytest.mark.parametrize("part", [1, 2])
def test_one_changed_bit_of_payload_or_signature_is_noticed(algorithm: str, part: int) -> None:
    parts = jws.sign(b"payload", KEYS[algorithm], "thumb").split(b".")
    octets = bytearray(base64.urlsafe_b64decode(parts[part] + b"=="))
    octets[0] ^= 1
    parts[part] = b64(bytes(octets))

    with pytest.raises(MessageRefused) as refused:
        jws.verify(jws.parse(b".".join(parts)), KEYS[algorithm].public_key())
    assert refused.value.reason == "bad-signature"


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"", "not-a-jws"),  # nothing
        (b"a.b", "not-a-jws"),  # two parts
        (b"a.b.c.d.e", "not-a-jws"),  # a JWE has five parts
        (b"\xff.\xff.\xff", "not-a-jws"),  # no base64url
        (b"e30=.e30.e30", "not-a-jws"),  # padded, which RFC 7515 forbids
        (b"e3 0.e30.e30", "not-a-jws"),  # white space inside
        (b"e31.e30.e30", "not-a-jws"),  # stray bits behind the last octet
        (
            token({"alg": "EdDSA", "x5t#S256": "t", "typ": jws.TYPE}) + b".e30",
            "not-a-jws",
        ),  # 4 parts
        (token({"alg": "EdDSA", "x5t#S256": "t"}), "bad-header"),  # without a type
        (token({"alg": "EdDSA", "x5t#S256": "t", "typ": "JWT"}), "bad-header"),  # another type
        (
            token({"alg": "EdDSA", "x5t#S256": "t", "typ": jws.TYPE, "crit": ["exp"]}),
            "bad-header",
        ),  # an extension that must be understood
        (
            token({"alg": "EdDSA", "x5t#S256": "t", "typ": jws.TYPE, "jwk": {}}),
            "bad-header",
        ),  # brings its own key
        (
            token(b'{"alg":"none","alg":"EdDSA","x5t#S256":"t","typ":"httpca+jws"}'),
            "bad-header",
        ),  # a member twice
        (token(b'{"alg": "EdDSA","x5t#S256":"t","typ":"httpca+jws"}'), "bad-header"),  # a space
        (token(b"[]"), "bad-header"),  # no object
        (token(b'{"alg":1,"x5t#S256":"t","typ":"httpca+jws"}'), "bad-header"),  # a number
        (token(b"[" * 100_000), "bad-header"),  # deeper than any stack
        (token(b"\xff\xfe"), "bad-header"),  # no UTF-8
    ],
)
def test_what_is_no_token_of_ours_is_refused_before_any_key_is_looked_up(
    octets: bytes, reason: str
) -> None:
    with pytest.raises(MessageRefused) as refused:
        jws.parse(octets)
    assert refused.value.reason == reason


@pytest.mark.parametrize("claimed", ["none", "HS256", "ES384", "EdDSA", "RS256", ""])
def test_the_algorithm_is_the_key_s_whatever_the_header_says(claimed: str) -> None:
    key = KEYS["ES256"]
    made = jws.sign(b"payload", key, "t").split(b".")
    made[0] = b64(
        json.dumps(
            {"alg": claimed, "x5t#S256": "t", "typ": jws.TYPE}, separators=(",", ":")
        ).encode()
    )

    with pytest.raises(MessageRefused) as refused:
        jws.verify(jws.parse(b".".join(made)), key.public_key())
    assert refused.value.reason == "wrong-algorithm"


@pytest.mark.parametrize(("algorithm", "size"), [("ES256", 32), ("ES384", 48)])
def test_of_the_two_signatures_that_ecdsa_has_for_each_only_the_one_with_the_lower_s_is_accepted(
    algorithm: str, size: int
) -> None:
    key = KEYS[algorithm]
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    order = {
        "ES256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
        "ES384": 2**384 - 0x389CB27E0BC8D220A7E5F24DB74F58851313E695333AD68D,
    }[algorithm]
    for number in range(8):  # each is the lower one by chance every second time
        made = jws.sign(b"payload %d" % number, key, "t")
        jws.verify(jws.parse(made), key.public_key())
        head, _, signature = made.rpartition(b".")
        octets = base64.urlsafe_b64decode(signature + b"==")
        other = order - int.from_bytes(octets[size:], "big")
        forged = head + b"." + b64(octets[:size] + other.to_bytes(size, "big"))
        jwt.PyJWS().decode(forged.decode(), key.public_key(), [algorithm])  # it is a signature
        with pytest.raises(MessageRefused) as refused:
            jws.verify(jws.parse(forged), key.public_key())
        assert refused.value.reason == "bad-signature"


@pytest.mark.parametrize(("algorithm", "size"), [("ES256", 32), ("ES384", 48)])
def test_a_signature_has_one_length(algorithm: str, size: int) -> None:
    """A nought before s is the same number, and would be another form of the same message."""
    key = KEYS[algorithm]
    made = jws.sign(b"payload", key, "t")
    head, _, signature = made.rpartition(b".")
    octets = base64.urlsafe_b64decode(signature + b"==")
    padded = head + b"." + b64(octets[:size] + b"\0" + octets[size:])

    with pytest.raises(MessageRefused) as refused:
        jws.verify(jws.parse(padded), key.public_key())
    assert refused.value.reason == "bad-signature"


def test_a_signature_by_the_public_key_as_a_shared_secret_is_refused() -> None:
    """The old confusion of HMAC with a public key (RFC 8725 section 2.1)."""
    key = KEYS["EdDSA"].public_key()
    assert isinstance(key, ed25519.Ed25519PublicKey)
    header = {"typ": jws.TYPE, "x5t#S256": "t"}
    forged = jwt.PyJWS().encode(b"payload", "x" * 32, "HS256", headers=header)

    with pytest.raises(MessageRefused):
        jws.verify(jws.parse(forged.encode()), key)
