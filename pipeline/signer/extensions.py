"""The extensions of a certificate (RFC 5280 section 4.2): all from the profile but the names."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from pipeline.crypto import der, names, public_keys
from pipeline.crypto.csr import Csr
from pipeline.crypto.names import Name
from pipeline.crypto.profile import Profile
from pipeline.crypto.subtrees import Subtree
from pipeline.crypto.usages import TIME_STAMPING
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


class Own(NamedTuple):
    """The extensions that are a certificate's own: of its key, and of its names if it has any."""

    key_identifier: x509.SubjectKeyIdentifier
    names: x509.SubjectAlternativeName | None
    critical_names: bool


def own(csr: Csr, *, critical_names: bool) -> Own:
    """Return the own extensions of a certificate for a CSR."""
    identifier = x509.SubjectKeyIdentifier(public_keys.identifier(csr.spki))
    names = [general_name(name) for name in csr.names]
    san = x509.SubjectAlternativeName(names) if names else None
    return Own(identifier, san, critical_names)


def add_own(builder: x509.CertificateBuilder, own: Own) -> x509.CertificateBuilder:
    """Return the builder with the extensions that are a certificate's own."""
    builder = builder.add_extension(own.key_identifier, critical=False)
    if own.names is None:
        return builder
    return builder.add_extension(own.names, critical=own.critical_names)


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
        case "upn":
            text = der.encode(der.UTF8_STRING, name.value.encode())
            return x509.OtherName(x509.ObjectIdentifier(names.UPN_OID), text)


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


def basic_constraints(profile: Profile) -> x509.BasicConstraints:
    """Return whether certificates of the profile are a CA's, and how many may stand below it."""
    return x509.BasicConstraints(profile.ca, profile.path_length if profile.ca else None)


def _name_constraints(profile: Profile) -> x509.NameConstraints:
    permitted, excluded = profile.constraints()
    return x509.NameConstraints(_subtrees(permitted) or None, _subtrees(excluded) or None)


def _subtrees(subtrees: Iterable[Subtree]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for subtree in subtrees:
        match subtree.kind:
            case "dns":
                found.append(x509.DNSName(subtree.value))
            case "ip":
                found.append(x509.IPAddress(subtree.network))
            case "email":
                found.append(x509.RFC822Name(subtree.value))
            case "uri":
                found.append(x509.UniformResourceIdentifier(subtree.value))
    return found


def _policies(profile: Profile) -> x509.CertificatePolicies:
    found = []
    for text in profile.certificate_policies:
        oid, _, url = text.partition(" ")
        statements: list[str | x509.UserNotice] = [url]
        found.append(
            x509.PolicyInformation(x509.ObjectIdentifier(oid), statements if url else None)
        )
    return x509.CertificatePolicies(found)


def _of_profile(profile: Profile, key_family: str) -> list[Extension]:
    """Return the extensions that follow from the profile and the kind of key alone."""
    fixed = [
        Extension(basic_constraints(profile), critical=True),
        Extension(key_usage(*profile.usages_for(key_family)), critical=True),
    ]
    if profile.ca and (profile.permitted_subtrees or profile.excluded_subtrees):
        # Critical, so that who cannot apply them refuses the CA (RFC 5280 section 4.2.1.10).
        fixed.append(Extension(_name_constraints(profile), critical=True))
    if oids := profile.extended_key_usage_oids():
        uses = x509.ExtendedKeyUsage([x509.ObjectIdentifier(oid) for oid in oids])
        # Time stamps are believed only where it is critical, and alone (RFC 3161 section 2.3).
        fixed.append(Extension(uses, critical=oids == (TIME_STAMPING,)))
    if profile.certificate_policies:
        fixed.append(Extension(_policies(profile), critical=False))
    if profile.ocsp_no_check:
        fixed.append(Extension(x509.OCSPNoCheck(), critical=False))
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
