"""Subjects: which attributes there are, what a CSR says in them, and what a profile makes of that.

A profile gives some attributes itself and takes others from the CSR; nothing else is in a subject.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
from cryptography import x509

from pipeline.crypto.visible import is_blank, visible
from pipeline.errors import N_, Refused

if TYPE_CHECKING:
    from pipeline.crypto.csr import Csr
    from pipeline.crypto.profile import Profile


class _Attribute(NamedTuple):
    """An attribute's OID, the most characters that it may have, and the form of its value."""

    oid: str
    longest: int
    form: re.Pattern[str] | None = None


_PRINTABLE: Final = re.compile(r"[A-Za-z0-9 '()+,\-./:=?]+")
"""The characters of a PrintableString (X.680)."""

ATTRIBUTES: Final = {
    "C": _Attribute("2.5.4.6", 2, re.compile(r"[A-Z]{2}")),
    "ST": _Attribute("2.5.4.8", 128),
    "L": _Attribute("2.5.4.7", 128),
    "street": _Attribute("2.5.4.9", 128),
    "postalCode": _Attribute("2.5.4.17", 40),
    "O": _Attribute("2.5.4.10", 64),
    "organizationIdentifier": _Attribute("2.5.4.97", 64),
    "OU": _Attribute("2.5.4.11", 64),
    "title": _Attribute("2.5.4.12", 64),
    "SN": _Attribute("2.5.4.4", 64),
    "GN": _Attribute("2.5.4.42", 64),
    "serialNumber": _Attribute("2.5.4.5", 64, _PRINTABLE),
    "UID": _Attribute("0.9.2342.19200300.100.1.1", 256),
    "CN": _Attribute("2.5.4.3", 64),
}
"""What a profile can give or take over, by the names that OpenSSL uses; lengths are the upper bounds
of RFC 5280 appendix A.1 and X.520."""

MAX_COMMON_NAME: Final = ATTRIBUTES["CN"].longest

_SHORT: Final = {attribute.oid: short for short, attribute in ATTRIBUTES.items()}
_NAMES: Final = {x509.ObjectIdentifier(oid): short for oid, short in _SHORT.items()}

TWICE: Final = N_(
    "The CSR's subject has more than one “%(attribute)s”, and profile “%(profile)s” takes one over."
    " Leave one of them."
)
TOO_LONG: Final = N_(
    "“%(attribute)s=%(value)s” in the CSR's subject is longer than the %(allowed)d characters that"
    " it may have."
)
TOO_MANY_OCTETS: Final = N_(
    "“%(attribute)s=%(value)s” in the CSR's subject is longer than the %(allowed)d bytes of UTF-8"
    " that it may have: letters outside ASCII count for two to four."
)
FORM: Final = N_(
    "“%(attribute)s=%(value)s” in the CSR's subject cannot be certified: it is empty, contains"
    " characters that cannot be seen or spaces too many, or is not in the form that this attribute"
    " has."
)
MISSING: Final = N_(
    "Profile “%(profile)s” wants “%(attribute)s” in the CSR's subject. Make the CSR again with it,"
    " as in: openssl req -new … -subj “/%(attribute)s=…”"
)
EMPTY: Final = N_(
    "The CSR has neither names nor a subject that profile “%(profile)s” takes over. Make it again"
    " with one of these in the subject: %(allowed)s."
)


class Part(msgspec.Struct, frozen=True):
    """One attribute: its ``type`` by a short name (or dotted OID, where there is none), and its value.

    A part of a CSR holds what the requester wrote; only :func:`compose` makes parts for certificates.
    """

    type: str
    value: str

    def __str__(self) -> str:
        """Return it for people, with what could mislead made visible."""
        return visible(f"{self.type}={self.value}", 200)


def parts_of(name: x509.Name) -> tuple[Part, ...]:
    """Return the attributes of a name in their order; one that is no text has its octets in hex."""
    return tuple(
        Part(
            _SHORT.get(attribute.oid.dotted_string, attribute.oid.dotted_string),
            attribute.value if isinstance(attribute.value, str) else attribute.value.hex(),
        )
        for attribute in name
    )


def parse(text: str) -> Part:
    """Read an entry of a profile's ``subject``: ``O=Example``.

    Raises:
        ValueError: what was found and what is allowed.
    """
    kind, separator, value = text.partition("=")
    if not separator or kind not in ATTRIBUTES:
        allowed = ", ".join(ATTRIBUTES)
        raise ValueError(f"found {text!r}; write ATTRIBUTE=VALUE with one of {allowed}")
    if _fault(kind, value) is not None or _canonical(value) != value:
        longest = ATTRIBUTES[kind].longest
        raise ValueError(
            f"found {text!r}; a value is 1 to {longest} visible characters (of a CN: bytes) in the"
            f" form that {kind} has, without spaces at its ends"
        )
    return Part(kind, value)


def compose(csr: Csr, profile: Profile) -> tuple[Part, ...]:
    """Return the subject of the certificate that the profile makes of the CSR.

    A CN from the CSR is taken when it is one of the names (and short enough); it is only free text
    where the profile has no names.

    Raises:
        Refused: ``subject-not-allowed`` when a value that would be taken over cannot be, or is missing.
    """
    found = [parse(text) for text in profile.subject]
    for kind in profile.subject_from_csr:
        value = _common_name(csr) if kind == "CN" and profile.names else _value(csr, kind, profile)
        if value is not None:
            found.append(Part(kind, value))
        elif kind in profile.subject_required:
            raise _refused(MISSING, kind, "", profile)
    if not found and not profile.names:
        allowed = ", ".join(profile.subject_from_csr)
        raise Refused("subject-not-allowed", EMPTY, profile=profile.name, allowed=allowed)
    return tuple(found)


def left_out(csr: Csr, taken: Iterable[Part]) -> tuple[Part, ...]:
    """Return the attributes of the CSR's subject that are not in the certificate as they stand."""
    kept = set(taken)
    common_name = Part("CN", csr.taken_common_name or "")
    return tuple(
        part
        for part in csr.subject_parts
        if Part(part.type, _canonical(part.value)) not in kept
        and not (part.type == "CN" and common_name in kept)
    )


def to_name(parts: Iterable[Part]) -> x509.Name:
    """Return the subject as certificates have it."""
    return x509.Name(
        [
            x509.NameAttribute(x509.ObjectIdentifier(ATTRIBUTES[part.type].oid), part.value)
            for part in parts
        ]
    )


def text_of(name: x509.Name) -> str:
    """Return a subject for people: RFC 4514 text, with the names that ``ATTRIBUTES`` has."""
    return name.rfc4514_string(_NAMES)


def same(one: x509.Name, other: x509.Name) -> bool:
    """Return whether two names count as one, without regard to case, spaces, the kind of string, and
    forms of one letter (RFC 5280 section 7.1, RFC 4518 section 2)."""
    return _folded(one) == _folded(other)


def _folded(name: x509.Name) -> list[frozenset[tuple[str, str]]]:
    return [
        frozenset(
            (
                attribute.oid.dotted_string,
                " ".join(unicodedata.normalize("NFKC", str(attribute.value)).casefold().split()),
            )
            for attribute in rdn
        )
        for rdn in name.rdns
    ]


def _common_name(csr: Csr) -> str | None:
    name = csr.taken_common_name
    return name if name is not None and len(name) <= MAX_COMMON_NAME else None


def _value(csr: Csr, kind: str, profile: Profile) -> str | None:
    values = [part.value for part in csr.subject_parts if part.type == kind]
    if len(values) > 1:
        raise _refused(TWICE, kind, values[0], profile)
    if not values:
        return None
    value = _canonical(values[0])
    fault = _fault(kind, value)
    if fault is not None:
        raise _refused(fault, kind, value, profile)
    return value


def _canonical(value: str) -> str:
    return unicodedata.normalize("NFC", value)


def _fault(kind: str, value: str) -> str | None:
    attribute = ATTRIBUTES[kind]
    if not value.isprintable() or value != " ".join(value.split()) or not value:
        return FORM
    if not value.isascii() and any(map(is_blank, value)):
        return FORM
    if len(value) > attribute.longest:
        return TOO_LONG
    # RFC 5280 counts characters; the library counts octets, and so it makes no such certificate.
    if kind == "CN" and len(value.encode()) > attribute.longest:
        return TOO_MANY_OCTETS
    return FORM if attribute.form is not None and not attribute.form.fullmatch(value) else None


def _refused(template: str, kind: str, value: str, profile: Profile) -> Refused:
    return Refused(
        "subject-not-allowed",
        template,
        attribute=kind,
        value=visible(value, 120),
        allowed=ATTRIBUTES[kind].longest,
        profile=profile.name,
    )
