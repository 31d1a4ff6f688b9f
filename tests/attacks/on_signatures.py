"""Attacks on the signature: altered, missing, another's, or in another form."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pipeline.crypto.identity import Identity, read_certificate
from pipeline.messages import SubmissionBatch
from pipeline.stages import POLICY
from tests.attacks.attack import APPROVER_KEY, NOTHING, WEB_KEY, Attack, Spoil
from tests.attacks.forge import (
    P256_ORDER,
    b64,
    certificate,
    dumps,
    fixed,
    header_of,
    payload_of,
    resigned,
    seal,
    unb64,
    with_header,
    with_signature,
)
from tests.attacks.ground import Ground, new_id

USAGE = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
"""Digital signatures only."""


def _signature(token: bytes) -> bytes:
    return unb64(token.rpartition(b".")[2])


def _altered(token: bytes, **changes: object) -> bytes:
    header, _, signature = token.split(b".")
    return b".".join((header, b64(dumps(payload_of(token) | changes)), signature))


def _hmac(token: bytes, secret: bytes) -> bytes:
    """The old confusion of HMAC with a public key (RFC 8725 section 2.1)."""
    forged = with_header(token, header_of(token) | {"alg": "HS256"})
    signed = forged.rpartition(b".")[0]
    return with_signature(forged, hmac.new(secret, signed, hashlib.sha256).digest())


def _spki(key: object) -> bytes:
    octets: bytes = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return octets


def _ed25519_order_added(signature: bytes) -> bytes:
    """Return (R, S + L): the same point of the curve, which RFC 8032 section 5.1.7 refuses."""
    order = 2**252 + 27742317777372353535851937790883648493
    s = int.from_bytes(signature[32:], "little") + order
    return signature[:32] + s.to_bytes(32, "little")


PLAIN: list[Attack] = [
    Attack(name, has, spoil, "bad-signature", "web")
    for name, has, spoil in (
        ("no signature", NOTHING, lambda g, n: with_signature(n.octets, b"")),
        ("a signature of zeros", NOTHING, lambda g, n: with_signature(n.octets, bytes(64))),
        (
            "a signature cut short",
            NOTHING,
            lambda g, n: with_signature(n.octets, _signature(n.octets)[:-1]),
        ),
        (
            "a signature with an octet more",
            NOTHING,
            lambda g, n: with_signature(n.octets, _signature(n.octets) + b"\0"),
        ),
        (
            "the group's order added to an Ed25519 signature",
            NOTHING,
            lambda g, n: with_signature(n.octets, _ed25519_order_added(_signature(n.octets))),
        ),
        (
            "another message's signature",
            NOTHING,
            lambda g, n: with_signature(n.octets, _signature(g.genuine(POLICY).octets)),
        ),
        ("an altered payload", NOTHING, lambda g, n: _altered(n.octets, id=new_id())),
        ("an altered body", NOTHING, lambda g, n: _altered(n.octets, body={"withdrawals": []})),
        ("an empty payload", NOTHING, lambda g, n: b"..".join(n.octets.split(b".")[::2])),
        (
            "signed with a key of their own",
            NOTHING,
            lambda g, n: resigned(
                n.octets, header_of(n.octets), ed25519.Ed25519PrivateKey.generate()
            ),
        ),
        (
            "signed by an approver in the web side's name",
            APPROVER_KEY,
            lambda g, n: resigned(n.octets, header_of(n.octets), g.me["approver"].private_key),
        ),
    )
]

OTHER_ALGORITHMS: list[Attack] = [
    Attack(name, has, spoil, "wrong-algorithm", "web")
    for name, has, spoil in (
        (
            "HMAC with the public key as the secret",
            NOTHING,
            lambda g, n: _hmac(n.octets, _spki(n.me.certificate.key)),
        ),
        (
            "HMAC with the thumbprint as the secret",
            NOTHING,
            lambda g, n: _hmac(n.octets, n.me.certificate.thumbprint.encode()),
        ),
        (
            "signed with an EC key of their own, in the name of an Ed25519 one",
            NOTHING,
            lambda g, n: resigned(
                n.octets,
                header_of(n.octets) | {"alg": "ES256"},
                ec.generate_private_key(ec.SECP256R1()),
            ),
        ),
    )
]


def p256_identity(ground: Ground) -> Identity:
    """Let the message CA issue for a P-256 key, and the operator trust it as the web side's."""
    key = ec.generate_private_key(ec.SECP256R1())
    ca, moment = ground.message_ca, ground.now()
    issued = certificate(
        ca.certificate,
        ca.key,
        key.public_key(),
        ["urn:httpca:role:web"],
        moment - timedelta(hours=1),
        moment + timedelta(hours=1),
        usage=USAGE,
    )
    ground.trust(issued)
    return Identity(read_certificate(issued), key)


def _by_p256(ground: Ground) -> tuple[bytes, ec.EllipticCurvePrivateKey]:
    """Return a message by a P-256 key that is accepted as it is."""
    me = p256_identity(ground)
    assert isinstance(me.private_key, ec.EllipticCurvePrivateKey)
    twin = ground.submission()
    ground.work_off(POLICY, seal(me, POLICY, new_id(), SubmissionBatch([twin]), ground.now()))
    assert ground.state(twin.id) is not None
    body = SubmissionBatch([ground.submission()])
    return seal(me, POLICY, new_id(), body, ground.now()), me.private_key


def _numbers(token: bytes) -> tuple[int, int]:
    signature = _signature(token)
    return int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")


def _higher_s(ground: Ground) -> bytes:
    token, key = _by_p256(ground)
    r, s = _numbers(token)
    # The library itself finds nothing wrong with it.
    signed = token.rpartition(b".")[0]
    key.public_key().verify(encode_dss_signature(r, P256_ORDER - s), signed, ec.ECDSA(SHA256()))
    return with_signature(token, fixed(r) + fixed(P256_ORDER - s))


def _in_der(ground: Ground) -> bytes:
    token, _ = _by_p256(ground)
    return with_signature(token, encode_dss_signature(*_numbers(token)))


def _zeros(ground: Ground) -> bytes:
    """The "psychic signature": r = s = 0 (CVE-2022-21449)."""
    return with_signature(_by_p256(ground)[0], bytes(64))


def _order(ground: Ground) -> bytes:
    return with_signature(_by_p256(ground)[0], fixed(P256_ORDER) + fixed(1))


def _other_curve(ground: Ground) -> bytes:
    """A signature by P-384, which the header also says, in the name of a P-256 key."""
    token, _ = _by_p256(ground)
    other = ec.generate_private_key(ec.SECP384R1())
    forged = with_header(token, header_of(token) | {"alg": "ES384"})
    signed = forged.rpartition(b".")[0]
    return with_signature(forged, other.sign(signed, ec.ECDSA(SHA256())))


def _eddsa(ground: Ground) -> bytes:
    token, _ = _by_p256(ground)
    return resigned(token, header_of(token) | {"alg": "EdDSA"}, ground.me["web"].private_key)


def _of(make: Callable[[Ground], bytes]) -> Spoil:
    return lambda g, n: make(g)


ON_P256: list[Attack] = [
    Attack(name, has, _of(make), reason, "web")
    for name, has, make, reason in (
        ("ECDSA: the other s of the same signature", NOTHING, _higher_s, "bad-signature"),
        ("ECDSA: the signature in DER", NOTHING, _in_der, "bad-signature"),
        ("ECDSA: r and s zero", NOTHING, _zeros, "bad-signature"),
        ("ECDSA: r the group's order", NOTHING, _order, "bad-signature"),
        ("ECDSA: another curve", NOTHING, _other_curve, "wrong-algorithm"),
        (
            "EdDSA in the name of a P-256 key",
            WEB_KEY,
            _eddsa,
            "wrong-algorithm",
        ),
    )
]

SIGNATURES = PLAIN + OTHER_ALGORITHMS + ON_P256
