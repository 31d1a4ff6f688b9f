"""Files and folders that only their owner can read, on the disk before we go on."""

import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from pipeline.crypto import private_file


def folder(path: Path) -> Path:
    """Make a folder that only its owner can enter, and return it."""
    path.mkdir(mode=0o700)
    return path


def write(path: Path, octets: bytes) -> None:
    """Write a new file that only its owner can read: when root writes, the owner of the folder.

    Raises:
        FileExistsError: there is one already; nothing is ever overwritten.
    """
    with private_file.create(path) as file:
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())


def write_certificate(path: Path, certificate: x509.Certificate) -> None:
    """Write a certificate as PEM."""
    write(path, certificate.public_bytes(Encoding.PEM))


def write_key(path: Path, key: Ed25519PrivateKey, passphrase: bytes | None = None) -> None:
    """Write a message key as PKCS#8 in PEM, encrypted when there is a passphrase."""
    protection = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    write(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection))


def give_folder_to_owner(path: Path) -> None:
    """When root makes a folder in that of a service's account, let it belong to that account."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        private_file.give_to_owner_of(path.parent, descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Wait until the disk knows a folder's entries."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
