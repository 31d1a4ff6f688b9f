"""Facts of a public key, as profiles, rules and people name them."""

import hashlib
import re
from functools import lru_cache
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.dsa import DSAPublicKey
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pipeline.crypto import der

_CURVES: Final = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
_RSA_RULE: Final = re.compile(r"rsa:(?P<low>[0-9]{3,5})(?:-(?P<high>[0-9]{3,5}))?")

MIN_RSA: Final = 2048
MAX_RSA: Final = 16384
"""Bits. Shorter keys can be factored, and OpenSSL does not use longer ones."""

ALLOWED: Final = "rsa:2048, rsa:2048-4096, ec:P-256, ec:P-384, ec:P-521, ed25519"


class PublicKeyFacts(msgspec.Struct, frozen=True):
    """What is said of a public key.

    ``kind`` is ``rsa:2048``, ``ec:P-256``, ``ed25519``, or the name of whatever else it is;
    ``fingerprint`` the SHA-256 of its SubjectPublicKeyInfo (hex); ``text`` the kind for people.
    """

    kind: str
    fingerprint: str
    text: str

    @property
    def family(self) -> str:
        """The algorithm: ``rsa``, ``ec``, ``ed25519``, ..."""
        return self.kind.partition(":")[0]


class KeyRule(msgspec.Struct, frozen=True):
    """One entry of a profile's ``keys``: a kind, or a range of RSA sizes in bits."""

    text: str
    low: int = 0
    high: int = 0

    @classmethod
    def parse(cls, text: str) -> "KeyRule":
        """Read an entry.

        Raises:
            ValueError: what was found and what is allowed.
        """
        return _parse(text)

    def admits(self, key: PublicKeyFacts) -> bool:
        """Return whether a key of this kind is allowed."""
        if not self.low:
            return key.kind == self.text
        family, _, bits = key.kind.partition(":")
        return family == "rsa" and self.low <= int(bits) <= self.high


@lru_cache(maxsize=256)
def _parse(text: str) -> KeyRule:
    if text == "ed25519" or (text.startswith("ec:") and text[3:] in _CURVES.values()):
        return KeyRule(text)
    found = _RSA_RULE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a kind of key; allowed are {ALLOWED}")
    low, high = int(found["low"]), int(found["high"] or found["low"])
    if not MIN_RSA <= low <= high <= MAX_RSA:
        raise ValueError(
            f"{text!r} is out of range: RSA keys from {MIN_RSA} to {MAX_RSA} bits are allowed,"
            " the smaller number first"
        )
    return KeyRule(text, low, high)


def can_be_allowed(key: PublicKeyFacts) -> bool:
    """Return whether there can be a profile that allows a key of this kind."""
    try:
        KeyRule.parse(key.kind)
    except ValueError:
        return False
    return True


def spki(key: PublicKeyTypes) -> bytes:
    """Return the SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7) in its one canonical DER form."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def identifier(spki_der: bytes) -> bytes:
    """Return the key identifier of a key: RFC 7093 section 2, method 1 (SHA-256, 160 bits of it).

    It is what a certificate's subject key identifier holds. Like the method of RFC 5280, it covers
    the bits of the key without its algorithm.
    """
    return hashlib.sha256(der.key_bits(spki_der)).digest()[:20]


def kind(key: PublicKeyTypes) -> str:
    """Return the kind of a key, as :class:`PublicKeyFacts` has it."""
    return _names(key)[0]


def facts(key: PublicKeyTypes, spki_der: bytes) -> PublicKeyFacts:
    """Return the facts of a key whose SPKI has been made already."""
    short, text = _names(key)
    return PublicKeyFacts(short, hashlib.sha256(spki_der).hexdigest(), text)


def _names(key: PublicKeyTypes) -> tuple[str, str]:
    if isinstance(key, EllipticCurvePublicKey):
        curve = _CURVES.get(key.curve.name, key.curve.name)
        return f"ec:{curve}", f"EC {curve}"
    if isinstance(key, RSAPublicKey):
        return f"rsa:{key.key_size}", f"RSA {key.key_size} bits"
    if isinstance(key, Ed25519PublicKey):
        return "ed25519", "Ed25519"
    if isinstance(key, Ed448PublicKey):
        return "ed448", "Ed448"
    if isinstance(key, DSAPublicKey):
        return f"dsa:{key.key_size}", f"DSA {key.key_size} bits"
    name = type(key).__name__.removesuffix("PublicKey")
    return name.lower(), name
