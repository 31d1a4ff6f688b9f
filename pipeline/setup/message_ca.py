"""The message CA: it says whose message key is whose, and is used for nothing else.

Its certificates are for our own processes and approvers. It shares nothing with the CA that issues
to users, and its key can be taken away after set-up.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pipeline.crypto import private_file
from pipeline.crypto.certificates import certificate_from_pem
from pipeline.crypto.identity import Sender
from pipeline.errors import SettingsError
from pipeline.setup import own_ca
from pipeline.stages import Role

LIFETIMES: Final = {
    Role.WEB: timedelta(days=2 * 365),
    Role.SIGNER: timedelta(days=2 * 365),
    Role.APPROVER: timedelta(days=365),
}
"""For how long a message certificate is valid, by role."""


@dataclass(frozen=True, slots=True)
class MessageCa:
    """The message CA: its certificate and its private key."""

    certificate: x509.Certificate
    key: Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Issued:
    """A message certificate with its private key, fresh."""

    certificate: x509.Certificate
    key: Ed25519PrivateKey


def make(name: str, now: datetime) -> MessageCa:
    """Make a message CA: a self-signed certificate that may issue to end entities only."""
    key = Ed25519PrivateKey.generate()
    certificate = own_ca.self_signed(name[:64], key.public_key(), now).sign(key, None)
    return MessageCa(certificate, key)


def load(certificate_file: Path, key_file: Path, passphrase: bytes | None) -> MessageCa:
    """Read the message CA, as it was made.

    Raises:
        SettingsError: a file is missing or wrong, others can read the key, or its passphrase is
            missing, wrong or not needed.
    """
    try:
        certificate = certificate_from_pem(certificate_file.read_bytes())
        pem = private_file.read(key_file)
    except OSError as error:
        problem = (
            f"cannot be read ({error.strerror}): bring back the folder setup/ that was put away"
        )
        raise SettingsError(error.filename, "", problem) from error
    except ValueError as error:
        raise SettingsError(certificate_file, "", f"is no certificate: {error}") from error
    try:
        key = load_pem_private_key(pem, passphrase)
    except TypeError as error:
        problem = "is encrypted" if passphrase is None else "is not encrypted"
        problem = f"the message CA's key {problem}; see --passphrase-file"
        raise SettingsError(key_file, "", problem) from error
    except ValueError as error:
        problem = "the passphrase of the message CA's key is wrong, or the file is damaged"
        raise SettingsError(key_file, "", problem) from error
    if not isinstance(key, Ed25519PrivateKey) or key.public_key() != certificate.public_key():
        raise SettingsError(key_file, "", f"this key does not belong to {certificate_file}")
    return MessageCa(certificate, key)


def issue(
    ca: MessageCa, sender: Sender, now: datetime, lifetime: timedelta | None = None
) -> Issued:
    """Make a key and issue a message certificate for it that speaks for ``sender``.

    It is valid for ``LIFETIMES`` of the role unless ``lifetime`` is given, and never for longer than
    the message CA.
    """
    key = Ed25519PrivateKey.generate()
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(sender.uri)])
    lasts = lifetime or LIFETIMES[sender.role]
    certificate = (
        own_ca.end_entity(sender.name[:64], key.public_key(), ca.certificate, now, lasts)
        .add_extension(names, critical=False)
        .sign(ca.key, None)
    )
    return Issued(certificate, key)
