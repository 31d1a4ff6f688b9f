"""Message identities: who a message certificate speaks for, and the key that signs as them.

The role stands in the certificate, as a URI in its subjectAltName: ``urn:httpca:role:web``,
``urn:httpca:role:signer``, or ``urn:httpca:approver:NAME``.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pipeline.crypto import jws, private_file
from pipeline.crypto.certificates import certificate_from_pem, extension_of, public_key_of
from pipeline.errors import MessageRefused, SettingsError, in_words
from pipeline.stages import Role

APPROVER_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")

_SIDE_URIS: Final = {f"urn:httpca:role:{role}": role for role in (Role.WEB, Role.SIGNER)}
_APPROVER_URI: Final = "urn:httpca:approver:"
_ENCRYPTED: Final = b"BEGIN ENCRYPTED PRIVATE KEY"


@dataclass(frozen=True, slots=True)
class Sender:
    """Who signed a message: a role, and the name of the person where the role is approver."""

    role: Role
    name: str

    @property
    def uri(self) -> str:
        """The URI that stands for this sender in a message certificate."""
        if self.role is Role.APPROVER:
            return _APPROVER_URI + self.name
        return f"urn:httpca:role:{self.role}"


@dataclass(frozen=True, slots=True)
class MessageCertificate:
    """A certificate that signs messages, read once."""

    certificate: x509.Certificate
    key: jws.PublicKey
    sender: Sender
    thumbprint: str

    def check_time(self, moment: datetime) -> None:
        """Raise ``MessageRefused`` when the certificate is not valid at ``moment``."""
        if moment < self.certificate.not_valid_before_utc:
            raise MessageRefused("certificate-not-yet-valid", self.sender.name)
        if moment > self.certificate.not_valid_after_utc:
            raise MessageRefused("certificate-expired", self.sender.name)


@dataclass(frozen=True, slots=True)
class Identity:
    """A message certificate with its private key: what a process signs with."""

    certificate: MessageCertificate
    private_key: jws.PrivateKey

    @property
    def sender(self) -> Sender:
        """Who this identity speaks for."""
        return self.certificate.sender


def read_certificate(certificate: x509.Certificate) -> MessageCertificate:
    """Read who a certificate speaks for.

    Raises:
        ValueError: it names no sender or several, or its key cannot sign messages.
    """
    names = extension_of(certificate, x509.SubjectAlternativeName)
    usage = extension_of(certificate, x509.KeyUsage)
    if names is None or usage is None:
        raise ValueError("a message certificate names its role and its key usage")
    if not usage.digital_signature:
        raise ValueError("a message certificate must allow digital signatures")
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if len(uris) != 1 or len(list(names)) != 1:
        raise ValueError("a message certificate names exactly one sender")
    key = public_key_of(certificate)
    if not isinstance(key, ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey):
        raise ValueError("message keys are Ed25519, P-256 or P-384")
    jws.algorithm(key)
    thumbprint = jws.encode(certificate.fingerprint(hashes.SHA256())).decode("ascii")
    return MessageCertificate(certificate, key, _sender(uris[0]), thumbprint)


def load(certificate_file: Path, key_file: Path, passphrase: bytes | None = None) -> Identity:
    """Load a message certificate and its key.

    Raises:
        SettingsError: a file is missing or unreadable, others can read the key, its passphrase is
            missing, wrong or not needed, or the two do not belong together.
    """
    try:
        certificate = read_certificate(certificate_from_pem(certificate_file.read_bytes()))
    except (OSError, ValueError) as error:
        raise SettingsError(
            certificate_file, "", f"no message certificate: {in_words(error)}"
        ) from error
    try:
        pem = private_file.read(key_file)
    except OSError as error:
        problem = f"the message key cannot be read: {error.strerror}"
        raise SettingsError(key_file, "", problem) from error
    try:
        key = load_pem_private_key(pem, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SettingsError(key_file, "", _why_not(pem, passphrase, error)) from None
    if (
        not isinstance(key, ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey)
        or key.public_key() != certificate.key
    ):
        raise SettingsError(key_file, "", f"this key does not belong to {certificate_file}")
    return Identity(certificate, key)


def is_encrypted(key_file: Path) -> bool:
    """Say whether a key's file (PKCS #8 in PEM) needs a passphrase; False when it is not there."""
    try:
        return _ENCRYPTED in key_file.read_bytes()
    except OSError:
        return False


def ensure_role(me: Identity, role: Role, directory: Path) -> None:
    """Check that a side signs as itself: nobody would believe it otherwise.

    Raises:
        SettingsError: its message certificate is of another role.
    """
    if me.sender.role is not role:
        raise SettingsError(
            directory / "message.pem",
            "",
            f"speaks for {me.sender.uri}; here it must be role {role}",
        )


def _sender(uri: str) -> Sender:
    if uri in _SIDE_URIS:
        return Sender(_SIDE_URIS[uri], str(_SIDE_URIS[uri]))
    name = uri.removeprefix(_APPROVER_URI)
    if name != uri and APPROVER_NAME.fullmatch(name):
        return Sender(Role.APPROVER, name)
    raise ValueError(f"{uri} is no role of HttpCA")


def _why_not(pem: bytes, passphrase: bytes | None, error: Exception) -> str:
    """Say why a key cannot be loaded, without quoting what a library says of its content."""
    if _ENCRYPTED in pem and passphrase is None:
        return "the message key is encrypted; give its passphrase (message_passphrase_file)"
    if _ENCRYPTED in pem:
        return "the passphrase of the message key is wrong, or the file is damaged"
    if b"PRIVATE KEY-----" in pem and passphrase is not None:
        return "the message key is not encrypted, but a passphrase was given: encrypt it, or none"
    return f"no readable private key in PEM (PKCS #8): {type(error).__name__}"
