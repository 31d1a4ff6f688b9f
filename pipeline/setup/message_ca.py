"""The message CA: it says whose message key is whose, and is used for nothing else.

Its certificates are for our own processes and approvers. It shares nothing with the CA that issues
to users, and its key can be taken away after set-up.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID

from pipeline.crypto import private_file
from pipeline.crypto.certificates import certificate_from_pem
from pipeline.crypto.identity import Sender
from pipeline.errors import SettingsError
from pipeline.stages import Role

CA_LIFETIME: Final = timedelta(days=20 * 365)
LIFETIMES: Final = {
    Role.WEB: timedelta(days=2 * 365),
    Role.SIGNER: timedelta(days=2 * 365),
    Role.APPROVER: timedelta(days=365),
}
"""For how long a message certificate is valid, by role."""

BACKDATED: Final = timedelta(minutes=5)
"""How far before now a certificate begins, for hosts whose clocks are behind."""


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
    subject = _name(name)
    certificate = (
        _builder(subject, subject, key.public_key(), now, now + CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, None)
    )
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
    end = now + (lifetime or LIFETIMES[sender.role])
    subject = _name(sender.name)
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(sender.uri)])
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key())
    certificate = (
        _builder(
            subject,
            ca.certificate.subject,
            key.public_key(),
            now,
            min(end, ca.certificate.not_valid_after_utc),
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(names, critical=False)
        .add_extension(authority, critical=False)
        .sign(ca.key, None)
    )
    return Issued(certificate, key)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: Ed25519PublicKey,
    now: datetime,
    end: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
