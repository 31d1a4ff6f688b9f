"""The names that a certificate can speak for, each in the one form in which names are compared.

A :class:`Name` is only ever made by the functions of this module, so its value is canonical: two
names are the same exactly when they are equal.
"""

import hashlib
import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, Literal

import msgspec

from pipeline.crypto import domains, uris
from pipeline.crypto.visible import visible
from pipeline.errors import N_, Refused

Kind = Literal["dns", "ip", "email", "uri", "upn"]

MAX_LOCAL_PART: Final = 64
MAX_EMAIL: Final = 254
"""Octets (RFC 5321 section 4.5.3.1, and erratum 1690 of RFC 3696)."""

# A dot-atom (RFC 5322 section 3.2.3) without "*", which patterns use.
_LOCAL_PART: Final = re.compile(
    r"[A-Za-z0-9!#$%&'+/=?^_`{|}~\-]+(?:\.[A-Za-z0-9!#$%&'+/=?^_`{|}~\-]+)*"
)
_PREFIX: Final = {"dns": "DNS", "ip": "IP", "email": "email", "uri": "URI", "upn": "UPN"}

UPN_OID: Final = "1.3.6.1.4.1.311.20.2.3"
"""The otherName of a user principal name, with which people sign in to Windows domains."""

NOT_IP: Final = N_("“%(name)s” is not an IP address.")
MAPPED_IP: Final = N_(
    "“%(name)s” is an IPv4 address written as IPv6. Request the IPv4 address “%(ip)s”."
)
NOT_EMAIL: Final = N_(
    "“%(name)s” is not an e-mail address that can be certified: write it as “name@example.com”."
)

NOT_UPN: Final = N_(
    "“%(name)s” is not a user principal name that can be certified: write it as"
    " “name@example.com”, in ASCII."
)


class Name(msgspec.Struct, frozen=True, order=True):
    """One name: its kind, and its canonical text."""

    kind: Kind
    value: str

    def __str__(self) -> str:
        """Return the name as OpenSSL writes it in a SAN: ``DNS:example.com``; ``UPN:`` is ours."""
        return f"{_PREFIX[self.kind]}:{self.value}"

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the name, by which it is found again, however long it is."""
        return hashlib.sha256(str(self).encode()).digest()

    @property
    def is_wildcard(self) -> bool:
        """Whether it stands for many hosts."""
        return self.kind == "dns" and self.value.startswith("*.")

    @property
    def is_idn(self) -> bool:
        """Whether it has a label outside ASCII, which is kept as an A-label."""
        host = self._around_host()[1]
        return host.startswith("xn--") or ".xn--" in host

    def display(self) -> str:
        """Return the text for people: as its value, with U-labels in place of A-labels."""
        if "xn--" not in self.value:
            return self.value
        before, host, after = self._around_host()
        return f"{before}{domains.to_unicode(host)}{after}"

    def display_host(self) -> str:
        """Return what of that is a domain name; in IP addresses, and in some URIs, there is none."""
        return domains.to_unicode(self._around_host()[1])

    def _around_host(self) -> tuple[str, str, str]:
        match self.kind:
            case "dns":
                return "", self.value, ""
            case "email" | "upn":
                local, at, domain = self.value.rpartition("@")
                return local + at, domain, ""
            case "uri":
                return uris.around_host(self.value)
            case "ip":
                return self.value, "", ""


def dns(text: str) -> Name:
    """Return the DNS name; see :func:`pipeline.crypto.domains.canonical`.

    Raises:
        Refused: ``invalid-name``.
    """
    return Name("dns", domains.canonical(text))


def ip(address: str | IPv4Address | IPv6Address) -> Name:
    """Return the IP address, in the text form of RFC 5952.

    An IPv4-mapped IPv6 address is refused: no client asks for it, and rules for IPv4 would miss it.

    Raises:
        Refused: ``invalid-name``.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        raise Refused("invalid-name", NOT_IP, name=visible(str(address), 120)) from None
    if isinstance(parsed, IPv6Address):
        if parsed.scope_id is not None:
            raise Refused("invalid-name", NOT_IP, name=visible(str(address), 120))
        if parsed.ipv4_mapped is not None:
            raise Refused("invalid-name", MAPPED_IP, name=str(parsed), ip=str(parsed.ipv4_mapped))
    return Name("ip", str(parsed))


def email(text: str) -> Name:
    """Return the e-mail address: the local part as it is, the domain in canonical form.

    Raises:
        Refused: ``invalid-name``.
    """
    local, at, domain = text.rpartition("@")
    fits = len(local) <= MAX_LOCAL_PART and len(text) <= MAX_EMAIL and "*" not in domain
    if not (at and fits and _LOCAL_PART.fullmatch(local)):
        raise Refused("invalid-name", NOT_EMAIL, name=visible(text, 120))
    return Name("email", f"{local}@{domains.canonical(domain)}")


def upn(text: str) -> Name:
    """Return the user principal name: all in lower case, since its readers compare without case.

    Raises:
        Refused: ``invalid-name``.
    """
    try:
        found = email(text.lower() if text.isascii() else text)
    except Refused:
        raise Refused("invalid-name", NOT_UPN, name=visible(text, 120)) from None
    return Name("upn", found.value)


def uri(text: str) -> Name:
    """Return the URI; see :func:`pipeline.crypto.uris.canonical`.

    Raises:
        Refused: ``invalid-name``.
    """
    return Name("uri", uris.canonical(text))


_PARSERS: Final[dict[Kind, Callable[[str], Name]]] = {
    "dns": dns,
    "ip": ip,
    "email": email,
    "uri": uri,
    "upn": upn,
}


def canonical(kind: Kind, text: str) -> Name:
    """Return the name of this kind.

    Raises:
        Refused: ``invalid-name``.
    """
    return _PARSERS[kind](text)
