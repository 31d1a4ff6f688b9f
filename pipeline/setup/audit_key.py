"""Make the key that signs checkpoints of the audit, and the file that auditors verify them with."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pipeline.crypto import checkpoint
from pipeline.crypto.note import Verifier
from pipeline.setup import files
from pipeline.signer.audit.key import PRIVATE, PUBLIC


def make(directory: Path) -> Verifier:
    """Make a key in the signer's folder; return the verifier key, which is added to ``audit.vkey``.

    Raises:
        FileExistsError: there is a key already; nothing is ever overwritten.
    """
    key = Ed25519PrivateKey.generate()
    verifier = checkpoint.verifier(key.public_key())
    files.write_key(directory / PRIVATE, key)
    public = os.open(directory / PUBLIC, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(public, "wb") as file:
        file.write(f"{verifier}\n".encode())
        file.flush()
        os.fsync(file.fileno())
    return verifier
