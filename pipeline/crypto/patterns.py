"""Patterns that a rule matches names with: read and checked once, then compared by whole parts."""

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

import msgspec

from pipeline.crypto import domains, names, uris
from pipeline.crypto.names import Kind, Name
from pipeline.errors import Refused

ALLOWED: Final = (
    "a pattern is one of: example.com (exactly this name), *.example.com (every name below it, not"
    " itself), 10.0.0.0/8, fd00::/8 or one IP address, user@example.com, *@example.com,"
    " UPN:user@example.com, UPN:*@example.com, spiffe://example.org/path (exactly),"
    " spiffe://example.org/* (every path below)"
)
_UPN: Final = "UPN:"
"""What a pattern of user principal names begins with, since they look like e-mail addresses."""


class Pattern(msgspec.Struct, frozen=True):
    """One pattern. ``text`` is its canonical form, by which patterns are equal.

    ``tail`` is what a covered name ends with, ``head`` what it begins with, each longer than that;
    ``network`` what holds it; with none of them the pattern is the name itself.
    """

    text: str
    kind: Kind
    tail: str = ""
    head: str = ""
    network: IPv4Network | IPv6Network | None = None

    @classmethod
    def parse(cls, text: str) -> "Pattern":
        """Read a pattern.

        Raises:
            ValueError: the pattern, what is wrong with it, and what is allowed.
        """
        return _parse(text)

    def matches(self, name: Name) -> bool:
        """Return whether the pattern covers the name.

        Labels and path segments are compared whole: ``tail`` begins with the dot (or is ``@`` and a
        domain), ``head`` ends with the slash.
        """
        if name.kind != self.kind:
            return False
        value = name.value
        if self.network is not None:
            return ip_address(value) in self.network
        if self.tail:
            return len(value) > len(self.tail) and value.endswith(self.tail)
        if self.head:
            # A query is nobody's path segment: only an exact pattern covers one.
            below = len(value) > len(self.head) and value.startswith(self.head)
            return below and "?" not in value
        return value == self.text.removeprefix(_UPN)

    def touches(self, name: Name) -> bool:
        """Return whether the pattern covers the name, or something that the name stands for: a wildcard
        does for all hosts one label below it (RFC 9525 section 6.3), a URI for itself without query and
        with the path that goes without saying, an e-mail address for every writing of its local part in
        capital and small letters, since the mailbox is mostly one (RFC 5321 section 2.4).
        """
        if name.kind != self.kind or self.tail or self.network is not None:
            return self.matches(name)
        if self.kind == "uri":
            whole = uris.with_path(name.value)
            if self.head:
                return whole.startswith(self.head)
            return uris.with_path(self.text) in (whole, whole.partition("?")[0])
        if name.is_wildcard:
            return self.text.partition(".")[2] == name.value.removeprefix("*.")
        if self.kind == "email":
            return name.value.lower() == self.text.lower()
        return self.matches(name)


@lru_cache(maxsize=4096)
def _parse(text: str) -> Pattern:
    try:
        return _read(text)
    except (ValueError, Refused) as error:
        raise ValueError(f"{text!r} is not a pattern ({error}); {ALLOWED}") from None


def _read(text: str) -> Pattern:
    if text.startswith(_UPN):
        mailbox = _email(text.removeprefix(_UPN).lower())
        return Pattern(f"{_UPN}{mailbox.text}", "upn", tail=mailbox.tail)
    if "://" in text or text.startswith("urn:"):
        return _uri(text)
    if "@" in text:
        return _email(text)
    try:
        network = ip_network(text)
    except ValueError as error:
        if "/" in text or ":" in text:
            raise ValueError(str(error)) from None
        return _dns(text)
    if network.num_addresses == 1:
        return Pattern(names.ip(network.network_address).value, "ip")
    return Pattern(str(network), "ip", network=network)


def _dns(text: str) -> Pattern:
    if not text.startswith("*."):
        return Pattern(names.dns(domains.to_ascii(text)).value, "dns")
    if "*" in text[2:]:
        raise ValueError("“*” can only be the whole first part")
    base = names.dns(domains.to_ascii(text[2:])).value
    return Pattern(f"*.{base}", "dns", tail=f".{base}")


def _email(text: str) -> Pattern:
    local, _, domain = text.rpartition("@")
    if local != "*":
        return Pattern(names.email(f"{local}@{domains.to_ascii(domain)}").value, "email")
    tail = names.email(f"any@{domains.to_ascii(domain)}").value.removeprefix("any")
    return Pattern(f"*{tail}", "email", tail=tail)


def _uri(text: str) -> Pattern:
    if "*" not in text:
        return Pattern(names.uri(text).value, "uri")
    base = text.removesuffix("/*")
    if "*" in base or "?" in base or "://" not in base or base.endswith("/"):
        raise ValueError("“*” can only be the whole last path segment")
    base = names.uri(base).value
    return Pattern(f"{base}/*", "uri", head=f"{base}/")
