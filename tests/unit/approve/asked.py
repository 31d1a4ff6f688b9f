"""What is asked for, and of whom: CSRs, a profile, a rule, an issuing CA."""

import warnings
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pipeline.crypto import csr as csrs
from pipeline.crypto.profile import Profile
from pipeline.errors import RequesterError

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
"""When requests are made in tests, unless one says otherwise."""

PROFILE = Profile(
    name="server",
    description="TLS servers",
    key_usage=("digital_signature", "key_encipherment"),
    extended_key_usage=("server_auth",),
    idn=True,
    wildcards=True,
)
RULE = {"name": "default", "action": "approve"}

KEY = ec.generate_private_key(ec.SECP256R1())


def make_csr(
    names: Iterable[str] = ("www.example.com",),
    common_name: str | None = None,
    subject: Iterable[tuple[x509.ObjectIdentifier, str]] = (),
    extensions: Iterable[x509.ExtensionType] = (),
    key: ec.EllipticCurvePrivateKey = KEY,
) -> bytes:
    """Return a CSR (DER) for DNS names."""
    attributes = [x509.NameAttribute(oid, text) for oid, text in subject]
    if common_name is not None:
        with warnings.catch_warnings():  # the library only warns of a CN that is too long
            warnings.simplefilter("ignore", UserWarning)
            attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name, _validate=False))
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(attributes))
    dns = [x509.DNSName(name) for name in names]
    if dns:
        builder = builder.add_extension(x509.SubjectAlternativeName(dns), critical=False)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def key_fingerprint(csr: bytes) -> str | None:
    """Return the fingerprint of a CSR's key, as `policy` stores it."""
    try:
        return csrs.read(csr).key.fingerprint
    except RequesterError:
        return None


def make_issuer(lifetime: timedelta = timedelta(days=1000)) -> x509.Certificate:
    """Return the certificate of an issuing CA; nothing here needs its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Example Issuing CA")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOON - timedelta(days=1))
        .not_valid_after(NOON + lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
