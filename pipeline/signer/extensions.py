"""The extensions of a certificate (RFC 5280 section 4.2): all from the profile but the names."""

from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from pipeline.crypto import public_keys
from pipeline.crypto.csr import Csr
from pipeline.crypto.names import Name
from pipeline.crypto.profile import Profile
from pipeline.signer.issuer import Issuer


class Extension(NamedTuple):
    """An extension and whether a client that does not know it must refuse the certificate."""

    value: x509.ExtensionType
    critical: bool


@lru_cache(maxsize=256)
def builder_for(profile: Profile, key_family: str, issuer: Issuer) -> x509.CertificateBuilder:
    """Return a builder with all that is the same in each certificate of this profile and issuer."""
    builder = x509.CertificateBuilder().issuer_name(issuer.certificate.subject)
    for extension in _of_profile(profile, key_family):
        builder = builder.add_extension(extension.value, extension.critical)
    return builder.add_extension(issuer.authority_key_identifier, critical=False)


def add_own(
    builder: x509.CertificateBuilder, csr: Csr, critical_names: bool
) -> x509.CertificateBuilder:
    """Return the builder with the extensions that are a certificate's own: its key and names."""
    names = x509.SubjectAlternativeName([general_name(name) for name in csr.names])
    identifier = x509.SubjectKeyIdentifier(public_keys.identifier(csr.spki))
    return builder.add_extension(identifier, critical=False).add_extension(
        names, critical=critical_names
    )


def general_name(name: Name) -> x509.GeneralName:
    """Return a name as a SAN holds it."""
    match name.kind:
        case "dns":
            return x509.DNSName(name.value)
        case "ip":
            return x509.IPAddress(ip_address(name.value))
        case "email":
            return x509.RFC822Name(name.value)
        case "uri":
            return x509.UniformResourceIdentifier(name.value)


def key_usage(*usages: str) -> x509.KeyUsage:
    """Return the key usage extension with these usages (names as in :mod:`cryptography`)."""
    return x509.KeyUsage(
        digital_signature="digital_signature" in usages,
        content_commitment="content_commitment" in usages,
        key_encipherment="key_encipherment" in usages,
        data_encipherment="data_encipherment" in usages,
        key_agreement="key_agreement" in usages,
        key_cert_sign="key_cert_sign" in usages,
        crl_sign="crl_sign" in usages,
        encipher_only="encipher_only" in usages,
        decipher_only="decipher_only" in usages,
    )


def _of_profile(profile: Profile, key_family: str) -> list[Extension]:
    """Return the extensions that follow from the profile and the kind of key alone."""
    fixed = [
        Extension(x509.BasicConstraints(ca=False, path_length=None), critical=True),
        Extension(key_usage(*profile.usages_for(key_family)), critical=True),
    ]
    if oids := profile.extended_key_usage_oids():
        uses = x509.ExtendedKeyUsage([x509.ObjectIdentifier(oid) for oid in oids])
        fixed.append(Extension(uses, critical=False))
    if profile.crl_distribution_points:
        points = [
            x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)
            for url in profile.crl_distribution_points
        ]
        fixed.append(Extension(x509.CRLDistributionPoints(points), critical=False))
    accesses = [(AuthorityInformationAccessOID.OCSP, url) for url in profile.ocsp]
    accesses += [(AuthorityInformationAccessOID.CA_ISSUERS, url) for url in profile.ca_issuers]
    if accesses:
        descriptions = [
            x509.AccessDescription(method, x509.UniformResourceIdentifier(url))
            for method, url in accesses
        ]
        fixed.append(Extension(x509.AuthorityInformationAccess(descriptions), critical=False))
    return fixed
