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
from cryptography.x509.oid import ExtendedKeyUsageOID

from pipeline.crypto.certificates import certificate_from_pem
from pipeline.errors import SettingsError, in_words
from pipeline.setup import files, own_ca

LIFETIME: Final = timedelta(days=2 * 365)


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
        raise SettingsError(
            key, "", f"the transport CA cannot be read: {in_words(error)}"
        ) from error
    if not isinstance(private, EllipticCurvePrivateKey):
        raise SettingsError(key, "", "is not the key of a transport CA, which is on P-256")
    return Certified(found, private)


def make_ca(name: str, now: datetime) -> Certified:
    """Make a transport CA: a self-signed certificate that may issue to end entities only."""
    key = generate_private_key(SECP256R1())
    certificate = own_ca.self_signed(name, key.public_key(), now).sign(key, SHA256())
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
    builder = own_ca.end_entity(
        common_name, key.public_key(), ca.certificate, now, LIFETIME
    ).add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    if san is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName([san]), critical=False)
    return Certified(builder.sign(ca.key, SHA256()), key)
