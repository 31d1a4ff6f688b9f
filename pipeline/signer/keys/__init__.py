"""The CA keys: where they live, and signing with them.

A key in a file (:mod:`pipeline.signer.keys.file`) and a key in a token stand behind one protocol.
"""

from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512

from pipeline.errors import HttpcaError

SignatureHash = SHA256 | SHA384 | SHA512


class TokenRefused(HttpcaError):
    """A PKCS #11 module, token, PIN or key is not what it should be; waiting will not change it."""


class SigningKey(Protocol):
    """A CA key, wherever it lives."""

    @property
    def kind(self) -> str:
        """As in profiles: ``ec:P-256``, ``rsa:3072``, ``ed25519``."""

    @property
    def public_key(self) -> CertificateIssuerPublicKeyTypes:
        """The public half."""

    @property
    def signature_hash(self) -> SignatureHash | None:
        """The hash of its signatures; None for Ed25519, which has its own."""

    def sign(self, tbs: bytes) -> bytes:
        """Return the signature over TBS bytes, as a certificate holds it.

        ECDSA (DER), RSA PKCS #1 v1.5 or Ed25519, by the kind of key.

        Raises:
            KeyUnavailable: when the key is out of reach for now.
        """


def signature_hash_for(kind: str) -> SignatureHash | None:
    """Return the hash that a CA key of this kind signs with.

    ECDSA: the one that fits the curve (RFC 5480 section 4). RSA: SHA-256, SHA-384 from 4096 bits.

    Raises:
        ValueError: for a kind that CA keys cannot have.
    """
    family, _, size = kind.partition(":")
    if family == "rsa":
        return SHA384() if int(size) >= 4096 else SHA256()
    if kind in _FIXED:
        return _FIXED[kind]
    raise ValueError(f"a CA key cannot be {kind!r}; allowed are {CA_KEYS}")


CA_KEYS: Final = "ec:P-256, ec:P-384, ec:P-521, ed25519, rsa:2048 to rsa:4096"

_FIXED: Final[dict[str, SignatureHash | None]] = {
    "ec:P-256": SHA256(),
    "ec:P-384": SHA384(),
    "ec:P-521": SHA512(),
    "ed25519": None,
}
