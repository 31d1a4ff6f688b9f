"""CA keys in files: PKCS #8 in PEM, encrypted when there is a passphrase."""

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from pipeline.crypto import private_file, public_keys
from pipeline.errors import SettingsError
from pipeline.signer.keys import CA_KEYS, SignatureHash, signature_hash_for

PrivateKey = EllipticCurvePrivateKey | RSAPrivateKey | Ed25519PrivateKey

MAX_RSA: Final = 4096
"""Bits. Longer keys sign several times more slowly, for no strength that anybody needs."""

_CURVES: Final[dict[str, ec.EllipticCurve]] = {
    "ec:P-256": ec.SECP256R1(),
    "ec:P-384": ec.SECP384R1(),
    "ec:P-521": ec.SECP521R1(),
}
_ENCRYPTED: Final = b"ENCRYPTED"
"""In the first line of an encrypted key, be it PKCS #8 or the older form of OpenSSL."""


@dataclass(frozen=True, slots=True)
class FileKey:
    """A CA key in this process's memory (a :class:`pipeline.signer.keys.SigningKey`)."""

    private_key: PrivateKey = field(repr=False, compare=False)
    public_key: CertificateIssuerPublicKeyTypes = field(repr=False, compare=False)
    kind: str
    signature_hash: SignatureHash | None = field(compare=False)

    @classmethod
    def of(cls, private_key: PrivateKey) -> "FileKey":
        """Return the CA key of a private key.

        Raises:
            ValueError: when it is of a kind that CA keys cannot have.
        """
        public_key = private_key.public_key()
        kind = public_keys.kind(public_key)
        return cls(private_key, public_key, kind, signature_hash_for(kind))

    def sign(self, tbs: bytes) -> bytes:
        """Return the signature over TBS bytes, as a certificate holds it."""
        key, digest = self.private_key, self.signature_hash
        if isinstance(key, Ed25519PrivateKey):
            return key.sign(tbs)
        assert digest is not None  # noqa: S101 - only Ed25519 has none
        if isinstance(key, EllipticCurvePrivateKey):
            return key.sign(tbs, ec.ECDSA(digest))
        return key.sign(tbs, padding.PKCS1v15(), digest)


def generate(spec: str) -> FileKey:
    """Make a key of one of the kinds in ``CA_KEYS``.

    Raises:
        ValueError: what was found and what is allowed.
    """
    if spec == "ed25519":
        return FileKey.of(Ed25519PrivateKey.generate())
    if spec in _CURVES:
        return FileKey.of(ec.generate_private_key(_CURVES[spec]))
    family, _, size = spec.partition(":")
    if family == "rsa" and size.isdecimal():
        bits = int(size)
        if public_keys.MIN_RSA <= bits <= MAX_RSA and bits % 256 == 0:
            return FileKey.of(rsa.generate_private_key(65537, bits))
    raise ValueError(f"{spec!r} is not a kind of CA key; allowed are {CA_KEYS}")


def load(path: Path, passphrase: bytes | None) -> FileKey:
    """Read a key from a file.

    Raises:
        SettingsError: the file is not there or not a key, others than its owner have rights to it,
            or the passphrase is missing, wrong or not needed.
    """
    try:
        pem = private_file.read(path)
    except OSError as error:
        raise SettingsError(path, "", f"the CA key cannot be read: {error.strerror}") from None
    try:
        key = load_pem_private_key(pem, passphrase)
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise SettingsError(path, "", _why_not(pem, passphrase, error)) from None
    if not isinstance(key, PrivateKey):
        raise SettingsError(path, "", f"the CA key is of another kind; allowed are {CA_KEYS}")
    try:
        return FileKey.of(key)
    except ValueError as error:
        raise SettingsError(path, "", str(error)) from None


def is_encrypted(path: Path) -> bool:
    """Say whether the key in a file is encrypted; False also for what cannot be read at all."""
    try:
        return _ENCRYPTED in path.read_bytes()
    except OSError:
        return False


def save(path: Path, key: FileKey, passphrase: bytes | None) -> None:
    """Write a key to a new file that only its owner can read; it is there whole, or not at all.

    Raises:
        FileExistsError: when the file exists, for a key is never overwritten.
    """
    pem = key.private_key.private_bytes(
        Encoding.PEM,
        PrivateFormat.PKCS8,
        BestAvailableEncryption(passphrase) if passphrase else NoEncryption(),
    )
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with private_file.create(partial) as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        os.link(partial, path)  # Unlike a rename, it fails when the name is taken.
    finally:
        partial.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _why_not(pem: bytes, passphrase: bytes | None, error: Exception) -> str:
    encrypted = _ENCRYPTED in pem
    if b"PRIVATE KEY-----" not in pem:
        return "this is not a private key in PEM (PKCS #8)"
    if encrypted and passphrase is None:
        return "the CA key is encrypted; give its passphrase"
    if not encrypted and passphrase is not None:
        return (
            "the CA key is not encrypted, but a passphrase was given; remove it or encrypt the key"
        )
    if encrypted:
        return "the passphrase of the CA key is wrong, or the file is damaged"
    return f"the CA key cannot be read: {error}"
