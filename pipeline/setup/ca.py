"""The certificates of a CA: a root that signs itself, and the issuing CA below it."""

from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes
from cryptography.x509.oid import NameOID

from pipeline.crypto import der, public_keys
from pipeline.signer import throw_away
from pipeline.signer.extensions import key_usage
from pipeline.signer.keys import SigningKey

ROOT_LIFETIME: Final = timedelta(days=20 * 365 + 5)
ISSUING_LIFETIME: Final = timedelta(days=5 * 365 + 1)

_SECOND: Final = timedelta(seconds=1)


def make_root(
    key: SigningKey,
    common_name: str,
    now: datetime,
    serial: int,
    lifetime: timedelta = ROOT_LIFETIME,
    path_length: int | None = 1,
) -> x509.Certificate:
    """Return a root certificate, signed with its own key.

    ``common_name`` has 1 to 64 characters; ``path_length`` is the number of CAs that may stand
    between it and a certificate (None: any).

    Raises:
        ValueError: when the name is too long.
    """
    name = _name(common_name)
    builder = _builder(name, name, key.public_key, path_length).add_extension(
        _subject_key_identifier(key.public_key), critical=False
    )
    return _signed(builder, key, now, serial, now + lifetime - _SECOND)


def make_issuing(
    public_key: CertificateIssuerPublicKeyTypes,
    common_name: str,
    root: x509.Certificate,
    root_key: SigningKey,
    now: datetime,
    serial: int,
    lifetime: timedelta = ISSUING_LIFETIME,
    path_length: int = 0,
) -> x509.Certificate:
    """Return the certificate of an issuing CA, signed with the root's key, within its validity.

    Raises:
        ValueError: when the name is too long.
    """
    root_identifier = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        _builder(_name(common_name), root.subject, public_key, path_length)
        .add_extension(_subject_key_identifier(public_key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(root_identifier),
            critical=False,
        )
    )
    not_after = min(now + lifetime - _SECOND, root.not_valid_after_utc)
    return _signed(builder, root_key, now, serial, not_after)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: CertificateIssuerPublicKeyTypes,
    path_length: int | None,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(key_usage("key_cert_sign", "crl_sign"), critical=True)
    )


def _subject_key_identifier(key: CertificateIssuerPublicKeyTypes) -> x509.SubjectKeyIdentifier:
    return x509.SubjectKeyIdentifier(public_keys.identifier(public_keys.spki(key)))


def _signed(
    builder: x509.CertificateBuilder,
    key: SigningKey,
    now: datetime,
    serial: int,
    not_after: datetime,
) -> x509.Certificate:
    """Sign through the key's own door, since a key in a token has no private key to give."""
    stand_in = throw_away.key_like(key.kind)
    unsigned = (
        builder.serial_number(serial)
        .not_valid_before(now.replace(microsecond=0))
        .not_valid_after(not_after.replace(microsecond=0))
        .sign(stand_in.private_key, stand_in.signature_hash)
    )
    tbs = unsigned.tbs_certificate_bytes
    return x509.load_der_x509_certificate(der.certificate(tbs, key.sign(tbs)))
