"""The log's own key: ``audit.key`` signs checkpoints, ``audit.vkey`` is what auditors verify them with.

It is no message key: those are renewed, and who keeps checkpoints for years keeps the key with them.
"""

from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pipeline.crypto import private_file
from pipeline.crypto.note import NoteRefused, Verifier
from pipeline.errors import SettingsError, in_words

PRIVATE: Final = "audit.key"
PUBLIC: Final = "audit.vkey"


def load(directory: Path) -> Ed25519PrivateKey:
    """Load the log's key from the signer's folder.

    Raises:
        SettingsError: it is missing, others than its owner have rights to it, or it is no Ed25519
            key in PEM without a passphrase.
    """
    file = directory / PRIVATE
    try:
        key = load_pem_private_key(private_file.read(file), None)
    except FileNotFoundError as error:
        raise SettingsError(
            file, "", "there is no such file; `httpca audit new-key` makes it"
        ) from error
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError(file, "", f"no readable private key: {in_words(error)}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError(file, "", "checkpoints are signed with an Ed25519 key; this is another")
    return key


def load_verifiers(file: Path) -> list[Verifier]:
    """Load verifier keys, one in each line.

    Raises:
        SettingsError: the file is missing, empty, or a line is no verifier key.
    """
    try:
        lines = file.read_text("utf-8").split("\n")
        found = [Verifier.read(line) for line in lines if line.strip()]
    except (OSError, UnicodeDecodeError, NoteRefused) as error:
        raise SettingsError(file, "", f"no readable verifier key: {in_words(error)}") from error
    if not found:
        raise SettingsError(file, "", "holds no verifier key")
    return found
