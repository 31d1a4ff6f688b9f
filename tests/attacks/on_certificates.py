"""Attacks on who is believed: only a certificate of the message CA that lies in the trust folder."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from pipeline.crypto.identity import Identity, Sender
from pipeline.messages import SubmissionBatch
from pipeline.setup import message_ca
from pipeline.stages import DECIDE, POLICY, Role
from tests.attacks.attack import APPROVER_KEY, CA_KEY, ISSUED, NOTHING, WEB_KEY, Attack, Spoil
from tests.attacks.forge import (
    b64,
    certificate,
    dumps,
    header_of,
    identity,
    payload_of,
    resigned,
    seal,
    signed,
    with_header,
)
from tests.attacks.ground import Genuine, Ground, new_id
from tests.attacks.on_signatures import USAGE

NO_SIGNATURES = x509.KeyUsage(False, False, True, False, False, False, False, False, False)
"""Encipherment of keys only."""

WEB = Sender(Role.WEB, "web")
REVOKED = "approver-who-left"
URI = "urn:httpca:role:web"


def _by(ground: Ground, me: Identity, moment: datetime | None = None) -> bytes:
    body = SubmissionBatch([ground.submission()])
    return seal(me, POLICY, new_id(), body, moment or ground.now())


def _issued(
    ground: Ground, *, trusted: bool, begins: timedelta = timedelta(), days: int = 1
) -> Identity:
    moment = ground.now() + begins
    issued = message_ca.issue(ground.message_ca, WEB, moment, timedelta(days=days))
    if trusted:
        ground.trust(issued.certificate)
    return identity(issued)


def _of_another_ca(ground: Ground, _: Genuine) -> bytes:
    """A message CA of their own, of the same name; its certificate even lies in the folder."""
    other = message_ca.make("HttpCA message CA", ground.now())
    issued = message_ca.issue(other, WEB, ground.now())
    ground.trust(issued.certificate)
    return _by(ground, identity(issued))


def _expired(ground: Ground, _: Genuine) -> bytes:
    """Signed while it was valid."""
    begins = timedelta(days=-10)
    me = _issued(ground, trusted=True, begins=begins, days=1)
    return _by(ground, me, ground.now() + begins + timedelta(hours=1))


def _revoked(ground: Ground, _: Genuine) -> bytes:
    """It was accepted a moment ago, and the operator has just moved it away."""
    issued = message_ca.issue(ground.message_ca, WEB, ground.now())
    file = ground.trust(issued.certificate)
    ground.work_off(POLICY, _by(ground, identity(issued)))
    file.unlink()
    ground.look_again()
    return _by(ground, identity(issued))


def _revoked_approver(ground: Ground, genuine: Genuine) -> bytes:
    """Their certificate lies in `revoked/`, and a copy of it has come back to `trusted/`."""
    issued = message_ca.issue(ground.message_ca, Sender(Role.APPROVER, REVOKED), ground.now())
    revoked = ground.directory / "signer" / "revoked"
    revoked.mkdir(exist_ok=True)
    (revoked / f"{new_id()}.pem").write_bytes(issued.certificate.public_bytes(Encoding.PEM))
    ground.trust(issued.certificate)
    return signed(dumps(payload_of(genuine.octets)), identity(issued))


def _named(thumbprint: Callable[[x509.Certificate], str]) -> Spoil:
    """Name the sender's certificate in another way; the signature fits."""

    def spoil(_: Ground, genuine: Genuine) -> bytes:
        named = thumbprint(genuine.me.certificate.certificate)
        header = header_of(genuine.octets) | {"x5t#S256": named}
        return resigned(genuine.octets, header, genuine.me.private_key)

    return spoil


def _signed_by(key: object, issued: x509.Certificate, genuine: Genuine, alg: str) -> bytes:
    """Sign by a key whose certificate the program itself would not read."""
    thumbprint = b64(issued.fingerprint(SHA256())).decode()
    header = header_of(genuine.octets) | {"alg": alg, "x5t#S256": thumbprint}
    if isinstance(key, ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey):
        return resigned(genuine.octets, header, key)
    return with_header(genuine.octets, header)


def _with_names(*uris: str, usage: x509.KeyUsage | None = USAGE) -> Spoil:
    """A certificate of the message CA, in the trust folder, with these names."""

    def spoil(ground: Ground, genuine: Genuine) -> bytes:
        key = ed25519.Ed25519PrivateKey.generate()
        ca, now = ground.message_ca, ground.now()
        ends = now + timedelta(days=1)
        begins = now - timedelta(days=1)
        issued = certificate(
            ca.certificate, ca.key, key.public_key(), list(uris), begins, ends, usage=usage
        )
        ground.trust(issued)
        return _signed_by(key, issued, genuine, "EdDSA")

    return spoil


def _of_rsa(ground: Ground, genuine: Genuine) -> bytes:
    key = rsa.generate_private_key(65537, 2048)
    ca, now = ground.message_ca, ground.now()
    issued = certificate(
        ca.certificate, ca.key, key.public_key(), [URI], now, now + timedelta(days=1), usage=USAGE
    )
    ground.trust(issued)
    return _signed_by(key, issued, genuine, "RS256")


def _below_the_web_s_own(ground: Ground, genuine: Genuine) -> bytes:
    """Issued by the web side's own certificate, as if that were a CA."""
    key = ed25519.Ed25519PrivateKey.generate()
    now = ground.now()
    issued = certificate(
        ground.me["web"].certificate.certificate,
        ground.me["web"].private_key,
        key.public_key(),
        ["urn:httpca:approver:approver"],
        now - timedelta(hours=1),
        now + timedelta(days=1),
        usage=USAGE,
    )
    ground.trust(issued)
    return _signed_by(key, issued, genuine, "EdDSA")


def _of_the_issuing_ca(ground: Ground, genuine: Genuine) -> bytes:
    """What the issuing CA would sign for a user of a profile with URIs; it even lies in the folder."""
    folder = ground.directory / "signer" / "ca"
    issuing = x509.load_pem_x509_certificate((folder / "issuing.pem").read_bytes())
    issuing_key = load_pem_private_key((folder / "issuing.key").read_bytes(), None)
    key = ed25519.Ed25519PrivateKey.generate()
    now = ground.now()
    issued = certificate(
        issuing, issuing_key, key.public_key(), [URI], now, now + timedelta(days=1), usage=USAGE
    )
    ground.trust(issued)
    return _signed_by(key, issued, genuine, "EdDSA")


def _the_message_ca_itself(ground: Ground, genuine: Genuine) -> bytes:
    ca = ground.message_ca
    return _signed_by(ca.key, ca.certificate, genuine, "EdDSA")


def _self_signed(ground: Ground, genuine: Genuine) -> bytes:
    key = ed25519.Ed25519PrivateKey.generate()
    now = ground.now()
    own = ground.me["web"].certificate.certificate
    issued = certificate(
        own, key, key.public_key(), [URI], now, now + timedelta(days=1), usage=USAGE
    )
    ground.trust(issued)
    return _signed_by(key, issued, genuine, "EdDSA")


CERTIFICATES: list[Attack] = [
    Attack(f"certificate: {name}", has, spoil, "unknown-certificate")
    for name, has, spoil in (
        ("self-signed, in the trust folder", NOTHING, _self_signed),
        ("of a message CA of their own", NOTHING, _of_another_ca),
        ("of the issuing CA, with a role, in the trust folder", ISSUED, _of_the_issuing_ca),
        ("below the web side's own", WEB_KEY, _below_the_web_s_own),
        (
            "of the message CA, but not in the trust folder",
            CA_KEY,
            lambda g, n: _by(g, _issued(g, trusted=False)),
        ),
        ("the message CA's own", CA_KEY, _the_message_ca_itself),
        ("revoked a moment ago", WEB_KEY, _revoked),
        ("with two roles", CA_KEY, _with_names(URI, "urn:httpca:role:signer")),
        ("with a role and a name besides", CA_KEY, _with_names(URI, "urn:other")),
        ("without a role", CA_KEY, _with_names()),
        ("with a role that there is not", CA_KEY, _with_names("urn:httpca:role:root")),
        ("with a role in capitals", CA_KEY, _with_names("urn:httpca:role:WEB")),
        ("with an approver's name that is a path", CA_KEY, _with_names("urn:httpca:approver:../x")),
        ("with an approver's name that is empty", CA_KEY, _with_names("urn:httpca:approver:")),
        ("without a key usage", CA_KEY, _with_names(URI, usage=None)),
        ("that may not sign", CA_KEY, _with_names(URI, usage=NO_SIGNATURES)),
        ("with an RSA key", CA_KEY, _of_rsa),
        ("by its SHA-1 thumbprint", WEB_KEY, _named(lambda c: b64(c.fingerprint(SHA1())).decode())),
        (
            "by half a thumbprint",
            WEB_KEY,
            _named(lambda c: b64(c.fingerprint(SHA256())[:16]).decode()),
        ),
        (
            "by its thumbprint in hexadecimal",
            WEB_KEY,
            _named(lambda c: c.fingerprint(SHA256()).hex()),
        ),
        ("by an empty thumbprint", WEB_KEY, _named(lambda c: "")),
        ("by a path", WEB_KEY, _named(lambda c: "../trusted/web")),
    )
] + [
    Attack(
        "an approval from a revoked approver",
        APPROVER_KEY,
        _revoked_approver,
        "certificate-revoked",
        REVOKED,
        stage=DECIDE,
    ),
    Attack("certificate: expired", WEB_KEY, _expired, "certificate-expired", "web"),
    Attack(
        "certificate: not valid yet",
        WEB_KEY,
        lambda g, n: _by(g, _issued(g, trusted=True, begins=timedelta(days=1))),
        "certificate-not-yet-valid",
        "web",
    ),
]
