"""The transport CA: certificates for TLS to PostgreSQL and RabbitMQ, and for nothing else.

It shares nothing with the message CA, nor with the CA that issues to users. A client's common name is
its account on both servers.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pipeline.crypto.certificates import certificate_from_pem
from pipeline.errors import SettingsError
from pipeline.setup import files

CA_LIFETIME: Final = timedelta(days=20 * 365)
LIFETIME: Final = timedelta(days=2 * 365)
BACKDATED: Final = timedelta(minutes=5)
"""How far before now a certificate begins, for hosts whose clocks are behind."""


@dataclass(frozen=True, slots=True)
class Certified:
    """A certificate with its private key."""

    certificate: x509.Certificate
    key: EllipticCurvePrivateKey = field(repr=False)

    def write(self, certificate: Path, key: Path, passphrase: bytes | None = None) -> None:
        """Write both as PEM, for their owner alone; the key encrypted if there is a passphrase."""
        protection = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
        files.write_certificate(certificate, self.certificate)
        files.write(key, self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection))


def read_ca(certificate: Path, key: Path, passphrase: bytes | None) -> Certified:
    """Read the transport CA back.

    Raises:
        SettingsError: a file is missing or is not what it should be.
    """
    try:
        private = load_pem_private_key(key.read_bytes(), passphrase)
        found = certificate_from_pem(certificate.read_bytes())
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError(key, "", f"the transport CA cannot be read: {error}") from error
    if not isinstance(private, EllipticCurvePrivateKey):
        raise SettingsError(key, "", "is not the key of a transport CA, which is on P-256")
    return Certified(found, private)


def make_ca(name: str, now: datetime) -> Certified:
    """Make a transport CA: a self-signed certificate that may issue to end entities only."""
    key = generate_private_key(SECP256R1())
    subject = _name(name)
    certificate = (
        _builder(subject, subject, key.public_key(), now, now + CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(ca=True), critical=True)
        .sign(key, SHA256())
    )
    return Certified(certificate, key)


def for_server(ca: Certified, host: str, now: datetime) -> Certified:
    """Make a key and a certificate for the server ``host``, a DNS name or an IP address."""
    try:
        name: x509.GeneralName = x509.IPAddress(ip_address(host.strip("[]")))
    except ValueError:
        name = x509.DNSName(host)
    return _issue(ca, host[:64], ExtendedKeyUsageOID.SERVER_AUTH, now, name)


def for_account(ca: Certified, account: str, now: datetime) -> Certified:
    """Make a key and a certificate for a client, whose account (1 to 64 characters) is its name."""
    return _issue(ca, account, ExtendedKeyUsageOID.CLIENT_AUTH, now)


def _issue(
    ca: Certified,
    common_name: str,
    purpose: x509.ObjectIdentifier,
    now: datetime,
    san: x509.GeneralName | None = None,
) -> Certified:
    key = generate_private_key(SECP256R1())
    end = min(now + LIFETIME, ca.certificate.not_valid_after_utc)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key())
    builder = (
        _builder(_name(common_name), ca.certificate.subject, key.public_key(), now, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(authority, critical=False)
    )
    if san is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName([san]), critical=False)
    return Certified(builder.sign(ca.key, SHA256()), key)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: EllipticCurvePublicKey,
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


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )
