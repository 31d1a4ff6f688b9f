"""Keys that protect nothing: they sign a certificate only so that the library makes its TBS.

The TBS names the signature algorithm, so the key must be of the issuer's algorithm, and of no more.
"""

from functools import cache

from cryptography.hazmat.primitives.asymmetric import rsa

from pipeline.signer.keys import SignatureHash, signature_hash_for
from pipeline.signer.keys.file import PrivateKey, generate


class StandIn:
    """A private key and the hash that the issuer signs with."""

    __slots__ = ("private_key", "signature_hash")

    def __init__(self, private_key: PrivateKey, signature_hash: SignatureHash | None) -> None:
        self.private_key = private_key
        self.signature_hash = signature_hash


@cache
def key_like(kind: str) -> StandIn:
    """Return this process's throw-away key for issuers whose key is of this kind.

    Raises:
        ValueError: for a kind that CA keys cannot have.
    """
    signature_hash = signature_hash_for(kind)
    if kind.startswith("rsa:"):
        # The algorithm does not tell the size, and the smallest key signs fastest.
        smallest = rsa.generate_private_key(65537, 1024)  # noqa: S505 # nosec B505
        return StandIn(smallest, signature_hash)
    return StandIn(generate(kind).private_key, signature_hash)
