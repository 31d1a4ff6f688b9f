"""What the certificates of our own two CAs, for messages and for transport, have in common."""

from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes
from cryptography.x509.oid import NameOID

from pipeline.signer.extensions import key_usage

LIFETIME: Final = timedelta(days=20 * 365)
"""Of a CA."""

BACKDATED: Final = timedelta(minutes=5)
"""How far before now a certificate begins, for hosts whose clocks are behind."""


def self_signed(
    common_name: str, key: CertificateIssuerPublicKeyTypes, now: datetime
) -> x509.CertificateBuilder:
    """Return the certificate of a CA that issues to end entities only, to be signed by its own key.

    ``common_name`` has 1 to 64 characters.
    """
    name = _name(common_name)
    return _builder(name, name, key, now, now + LIFETIME, ca=True)


def end_entity(
    common_name: str,
    key: CertificateIssuerPublicKeyTypes,
    issuer: x509.Certificate,
    now: datetime,
    lifetime: timedelta,
) -> x509.CertificateBuilder:
    """Return a certificate that the CA ``issuer`` is to sign, and that it outlives.

    ``common_name`` has 1 to 64 characters.
    """
    end = min(now + lifetime, issuer.not_valid_after_utc)
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    builder = _builder(_name(common_name), issuer.subject, key, now, end, ca=False)
    return builder.add_extension(authority, critical=False)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: CertificateIssuerPublicKeyTypes,
    now: datetime,
    end: datetime,
    *,
    ca: bool,
) -> x509.CertificateBuilder:
    constraints = x509.BasicConstraints(ca=ca, path_length=0 if ca else None)
    usages = ("key_cert_sign", "crl_sign") if ca else ("digital_signature",)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(constraints, critical=True)
        .add_extension(key_usage(*usages), critical=True)
    )
