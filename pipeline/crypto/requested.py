"""What a CSR asks for: subject and extensions, in our own words.

Only names, and the parts of the subject that its profile lists, are ever taken over into a
certificate; everything else comes from the profile. What is left out is listed, so that requester and
approver see it.
"""

from ipaddress import IPv4Address, IPv6Address
from typing import Final

import msgspec
from cryptography import x509
from cryptography.x509.oid import NameOID

from pipeline.crypto import der as ders
from pipeline.crypto import extension_requests, names, subject
from pipeline.crypto.certificates import extension_of
from pipeline.crypto.extension_requests import ExtensionRequest, title_of
from pipeline.crypto.names import Name
from pipeline.crypto.quiet import quietly
from pipeline.crypto.subject import Part
from pipeline.crypto.visible import visible
from pipeline.errors import N_, Refused, Unreadable

_EXTENSION_REQUESTS: Final = frozenset({"1.2.840.113549.1.9.14", "1.3.6.1.4.1.311.2.1.14"})
"""The attribute with the extensions (RFC 2985 section 5.4.2), and Microsoft's of old for the same."""

DAMAGED: Final = N_(
    "The CSR's subject or extensions are damaged and cannot be read. Make the CSR again, and send the"
    " file as it is."
)
UNSUPPORTED_KIND: Final = N_(
    "The CSR requests a name of a kind that is never issued here. Request only DNS names, IP"
    " addresses, e-mail addresses, URIs and user principal names."
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
    subject_parts: tuple[Part, ...]
    extensions: tuple[ExtensionRequest, ...]


def read(request: x509.CertificateSigningRequest, der: bytes) -> Requested:
    """Read what a CSR, whose DER this is, asks for.

    Raises:
        Unreadable: ``not-a-csr`` when subject or extensions are damaged.
        Refused: ``invalid-name``.
    """
    try:
        asked_subject, extensions = quietly(lambda: (request.subject, request.extensions), der)
        attributes = request.attributes
    except x509.UnsupportedGeneralNameType:
        raise Refused("name-not-allowed", UNSUPPORTED_KIND) from None
    except (ValueError, TypeError, x509.DuplicateExtension, KeyError):
        # TypeError: a CN as a BIT STRING. KeyError: a TLS feature (RFC 7633) without a name.
        raise Unreadable("not-a-csr", DAMAGED) from None
    more = [one.oid for one in attributes if one.oid.dotted_string not in _EXTENSION_REQUESTS]
    if len(attributes) - len(more) > 1:
        # The library reads the first: what the others ask for would neither be shown nor refused.
        raise Unreadable("not-a-csr", DAMAGED)
    wanted: dict[Name, None] = {}
    unsupported: list[str] = []
    ignored: list[str] = []
    others: list[ExtensionRequest] = []
    for extension in extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            _sort_names(extension.value, wanted, unsupported)
        else:
            others.append(extension_requests.read(extension))
            ignored.append(f"extension {others[-1].title}")
    common_name, taken = _common_name(asked_subject, wanted)
    ignored = _ignored_subject(asked_subject, taken is not None) + ignored
    ignored += [f"attribute {title_of(oid)}" for oid in more]
    return Requested(
        subject=visible(asked_subject.rfc4514_string()),
        common_name=None if common_name is None else visible(common_name),
        taken_common_name=taken,
        names=tuple(wanted),
        unsupported_names=tuple(unsupported),
        ignored=tuple(ignored),
        subject_parts=subject.parts_of(asked_subject),
        extensions=tuple(others),
    )


def names_in(certificate: x509.Certificate) -> tuple[x509.Name, tuple[Name, ...]]:
    """Return the subject of a certificate and the names in its SAN, none when there is no SAN.

    Raises:
        ValueError: when its extensions cannot be read, or one of the names is of another kind.
        Refused: ``invalid-name``.
    """
    san = extension_of(certificate, x509.SubjectAlternativeName)
    if san is None:
        return certificate.subject, ()
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
        case x509.OtherName() if general_name.type_id.dotted_string == names.UPN_OID:
            try:
                return names.upn(ders.utf8_string(general_name.value))
            except ValueError:
                raise Refused("invalid-name", names.NOT_UPN, name="UPN") from None
        case x509.OtherName():
            return f"otherName {general_name.type_id.dotted_string}"
        case x509.DirectoryName():
            return f"directoryName {visible(general_name.value.rfc4514_string(), 200)}"
        case x509.RegisteredID():
            return f"registeredID {general_name.value.dotted_string}"
        case _:
            return type(general_name).__name__


def _common_name(asked: x509.Name, wanted: dict[Name, None]) -> tuple[str | None, str | None]:
    """Return the CN as it stands, and its canonical text when it is one of the names."""
    found = asked.get_attributes_for_oid(NameOID.COMMON_NAME)
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


def _ignored_subject(asked: x509.Name, common_name_taken: bool) -> list[str]:
    return [
        visible(f"subject {attribute.rfc4514_string()}", 200)
        for attribute in asked
        if not (common_name_taken and attribute.oid == NameOID.COMMON_NAME)
    ]
