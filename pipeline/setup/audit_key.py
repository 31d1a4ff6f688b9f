"""Make the key that signs checkpoints of the audit, and the file that auditors verify them with."""

import errno
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pipeline.crypto import checkpoint, private_file
from pipeline.crypto.note import Verifier
from pipeline.setup import files
from pipeline.signer.audit.key import PRIVATE, PUBLIC


def make(directory: Path) -> Verifier:
    """Make a key in the signer's folder; return the verifier key, which is added to ``audit.vkey``.

    The verifier key is there first: nothing is signed with a key of which no auditor was told.

    Raises:
        FileExistsError: there is a key already; nothing is ever overwritten.
    """
    if (directory / PRIVATE).exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(directory / PRIVATE))
    key = Ed25519PrivateKey.generate()
    verifier = checkpoint.verifier(key.public_key())
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    with os.fdopen(os.open(directory / PUBLIC, flags, 0o600), "wb") as file:
        private_file.give_to_owner_of(directory, file.fileno())
        file.write(f"{verifier}\n".encode())
        file.flush()
        os.fsync(file.fileno())
    files.write_key(directory / PRIVATE, key)
    files.sync_folder(directory)
    return verifier
