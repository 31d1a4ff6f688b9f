"""What a CSR asks for: subject and extensions, in our own words.

Only names are ever taken over into a certificate; everything else comes from its profile. What is
left out is listed, so that requester and approver see it.
"""

from ipaddress import IPv4Address, IPv6Address
from typing import Final

import msgspec
from cryptography import x509
from cryptography.x509.oid import NameOID

from pipeline.crypto import names
from pipeline.crypto.certificates import extension_of
from pipeline.crypto.names import Name
from pipeline.crypto.quiet import quietly
from pipeline.crypto.visible import visible
from pipeline.errors import N_, Refused, Unreadable

_EXTENSION_REQUEST: Final = "1.2.840.113549.1.9.14"

DAMAGED: Final = N_(
    "The CSR's extensions are damaged and cannot be read. Make the CSR again, and send the file as"
    " it is."
)
UNSUPPORTED_KIND: Final = N_(
    "The CSR requests a name of a kind that is never issued here. Request only DNS names, IP"
    " addresses, e-mail addresses and URIs."
)
NETWORK: Final = N_(
    "“%(name)s” is a range of IP addresses. Request each address by itself, as in IP:192.0.2.1."
)


class Requested(msgspec.Struct, frozen=True):
    """What :class:`pipeline.crypto.csr.Csr` tells of subject and extensions; see there."""

    subject: str
    common_name: str | None
    taken_common_name: str | None
    names: tuple[Name, ...]
    unsupported_names: tuple[str, ...]
    ignored: tuple[str, ...]


def read(request: x509.CertificateSigningRequest, der: bytes) -> Requested:
    """Read what a CSR, whose DER this is, asks for.

    Raises:
        Unreadable: ``not-a-csr`` when subject or extensions are damaged.
        Refused: ``invalid-name``.
    """
    try:
        subject, extensions = quietly(lambda: (request.subject, request.extensions), der)
        attributes = request.attributes
    except x509.UnsupportedGeneralNameType:
        raise Refused("name-not-allowed", UNSUPPORTED_KIND) from None
    except (ValueError, TypeError, x509.DuplicateExtension):  # TypeError: a CN as a BIT STRING
        raise Unreadable("not-a-csr", DAMAGED) from None
    wanted: dict[Name, None] = {}
    unsupported: list[str] = []
    ignored: list[str] = []
    for extension in extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            _sort_names(extension.value, wanted, unsupported)
        else:
            ignored.append(f"extension {_title(extension.oid)}")
    common_name, taken = _common_name(subject, wanted)
    ignored = _ignored_subject(subject, taken is not None) + ignored
    ignored += [
        f"attribute {_title(attribute.oid)}"
        for attribute in attributes
        if attribute.oid.dotted_string != _EXTENSION_REQUEST
    ]
    return Requested(
        subject=visible(subject.rfc4514_string()),
        common_name=None if common_name is None else visible(common_name),
        taken_common_name=taken,
        names=tuple(wanted),
        unsupported_names=tuple(unsupported),
        ignored=tuple(ignored),
    )


def names_in(certificate: x509.Certificate) -> tuple[x509.Name, tuple[Name, ...]]:
    """Return the subject of a certificate and the names in its SAN.

    Raises:
        ValueError: when its extensions cannot be read, or it has no SAN or one of another kind.
        Refused: ``invalid-name``.
    """
    san = extension_of(certificate, x509.SubjectAlternativeName)
    if san is None:
        raise ValueError("there is no SAN")
    wanted: dict[Name, None] = {}
    unsupported: list[str] = []
    _sort_names(san, wanted, unsupported)
    if unsupported:
        raise ValueError(unsupported[0])
    return certificate.subject, tuple(wanted)


def _sort_names(
    san: x509.SubjectAlternativeName, wanted: dict[Name, None], unsupported: list[str]
) -> None:
    for general_name in san:
        name = _name(general_name)
        if isinstance(name, Name):
            wanted[name] = None
        else:
            unsupported.append(name)


def _name(general_name: x509.GeneralName) -> Name | str:
    """Return the name, or a text for one of a kind that is never issued."""
    match general_name:
        case x509.DNSName():
            return names.dns(general_name.value)
        case x509.IPAddress(value=IPv4Address() | IPv6Address() as address):
            return names.ip(address)
        case x509.IPAddress():  # Eight octets: a network, as name constraints have it.
            raise Refused("invalid-name", NETWORK, name=str(general_name.value))
        case x509.RFC822Name():
            return names.email(general_name.value)
        case x509.UniformResourceIdentifier():
            return names.uri(general_name.value)
        case x509.OtherName():
            return f"otherName {general_name.type_id.dotted_string}"
        case x509.DirectoryName():
            return f"directoryName {visible(general_name.value.rfc4514_string(), 200)}"
        case x509.RegisteredID():
            return f"registeredID {general_name.value.dotted_string}"
        case _:
            return type(general_name).__name__


def _common_name(subject: x509.Name, wanted: dict[Name, None]) -> tuple[str | None, str | None]:
    """Return the CN as it stands, and its canonical text when it is one of the names."""
    found = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if not found:
        return None, None
    text = str(found[-1].value)
    if len(found) > 1:
        return text, None
    kinds: tuple[names.Kind, ...] = ("dns", "ip", "email")
    for kind in kinds:
        try:
            name = names.canonical(kind, text)
        except Refused:
            continue
        if name in wanted:
            return text, name.value
    return text, None


def _ignored_subject(subject: x509.Name, common_name_taken: bool) -> list[str]:
    return [
        visible(f"subject {attribute.rfc4514_string()}", 200)
        for attribute in subject
        if not (common_name_taken and attribute.oid == NameOID.COMMON_NAME)
    ]


_TITLES: Final = {
    "1.3.6.1.4.1.311.13.2.3": "Microsoft OS version",
    "1.3.6.1.4.1.311.21.20": "Microsoft client information",
    "1.3.6.1.4.1.311.13.2.2": "Microsoft enrolment provider",
    "1.3.6.1.4.1.311.20.2": "Microsoft certificate template name",
    "1.3.6.1.4.1.311.21.7": "Microsoft certificate template",
    "1.3.6.1.4.1.311.21.10": "Microsoft application policies",
    "1.2.840.113549.1.9.15": "S/MIME capabilities",
}


def _title(oid: x509.ObjectIdentifier) -> str:
    """Return the readable name of an extension or attribute, or its number."""
    known: str = oid._name  # The library's table of names has no public door.
    if known != "Unknown OID":
        return known
    return _TITLES.get(oid.dotted_string, oid.dotted_string)
