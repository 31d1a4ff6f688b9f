"""CSRs as anybody may send them, and what follows from one that was accepted."""

from datetime import timedelta
from functools import cache
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import SubjectAlternativeName

from pipeline.crypto import check, der, names
from pipeline.crypto import csr as csrs
from pipeline.crypto.csr import Csr
from pipeline.crypto.profile import Profile
from pipeline.errors import Refused, RequesterError
from pipeline.signer import authority, extensions
from pipeline.signer.issuer import Issuer
from tests import factories
from tests.fuzz import mutators
from tests.fuzz.target import Target

KEY: Final = ec.derive_private_key(0x48747470_4341, ec.SECP256R1())
"""The requester's key, always the same one: what is mutated holds its public half."""

_ECDSA_SHA256: Final = bytes.fromhex("300a06082a8648ce3d040302")
_SERIAL: Final = 1 << 152


@cache
def generous() -> Profile:
    """Return a profile that allows whatever a profile can allow."""
    return factories.profile(
        names=("dns", "ip", "email", "uri"),
        wildcards=True,
        idn=True,
        max_names=1000,
        keys=("ec:P-256", "ec:P-384", "ec:P-521", "ed25519", "rsa:2048-16384"),
    )


@cache
def issuer() -> Issuer:
    """Return the issuing CA; of the quickest kind."""
    return factories.issuer("ed25519")


def follow(csr: Csr) -> None:
    """Do what comes after a CSR was accepted: none of it may fail any more.

    Raises:
        Refused: the profile does not allow it.
    """
    for name in csr.names:
        assert names.canonical(name.kind, name.value) == name, name
        assert name.display()
    assert csrs.read(csr.der) == csr
    profile = generous()
    check.check(csr, profile)
    now = factories.NOW + timedelta(days=1)
    prepared = authority.prepare(csr, profile, issuer(), now, _SERIAL)
    assert prepared.certificate  # the library makes the same of it
    authority.ensure_usable(prepared.tbs, issuer(), now)
    made = authority.assemble(prepared.tbs, authority.sign(prepared.tbs, issuer()))
    authority.verify(made, prepared.tbs, csr, profile, issuer())


def read(octets: bytes) -> None:
    """Read what somebody uploaded or pasted."""
    follow(csrs.read(octets))


def read_signed(info: bytes) -> None:
    """Read a CSR whose CertificationRequestInfo this is, rightly signed."""
    signature = KEY.sign(info, ec.ECDSA(hashes.SHA256()))
    follow(csrs.read(der.signed(info, _ECDSA_SHA256, signature)))


def read_name(octets: bytes) -> None:
    """Read one name; a name is its own canonical form, and shows without breaking."""
    kinds: tuple[names.Kind, ...] = ("dns", "ip", "email", "uri")
    kind = kinds[octets[0] % len(kinds)] if octets else "dns"
    name = names.canonical(kind, octets[1:].decode("utf-8", "surrogateescape"))
    assert names.canonical(kind, name.value) == name
    assert name.value.isascii()
    assert name.value.isprintable()
    assert name.display().isprintable()
    assert SubjectAlternativeName([extensions.general_name(name)]).public_bytes()


CSR: Final = Target(
    "csr",
    read,
    (RequesterError,),
    (
        "pipeline.crypto.csr",
        "pipeline.crypto.pem",
        "pipeline.crypto.requested",
        "pipeline.crypto.weak_keys",
        "pipeline.crypto.public_keys",
    ),
    words=(
        "-----BEGIN CERTIFICATE REQUEST-----",
        "-----END CERTIFICATE REQUEST-----",
        "PRIVATE KEY",
    ),
)
SIGNED_CSR: Final = Target(
    "signed_csr",
    read_signed,
    (RequesterError,),
    (
        "pipeline.crypto.csr",
        "pipeline.crypto.requested",
        "pipeline.crypto.check",
        "pipeline.crypto.domains",
        "pipeline.crypto.names",
        "pipeline.crypto.uris",
        "pipeline.signer.authority",
        "pipeline.signer.extensions",
    ),
    mutators.der,
    ("xn--", "*.", "spiffe://", "@"),
)
NAME: Final = Target(
    "name",
    read_name,
    (Refused,),
    ("pipeline.crypto.names", "pipeline.crypto.domains", "pipeline.crypto.uris"),
    mutators.after_byte(mutators.octets),
    ("xn--", "*.", "://", "%2F", "::ffff:", "[", "]", "@", "-", "_", ".."),
)
