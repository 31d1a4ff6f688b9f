"""Name constraints of a CA below ours (RFC 5280 section 4.2.1.10): the names it may speak for.

A kind of name that a profile permits nothing of is closed whole, since RFC 5280 leaves it open: a CA
that may certify ``DNS:example.com`` could certify every IP address.
"""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final, Literal

import msgspec

from pipeline.crypto import domains, names, uris
from pipeline.crypto.patterns import Pattern
from pipeline.errors import Refused

SubtreeKind = Literal["dns", "ip", "email", "uri"]

ALLOWED: Final = (
    "write DNS:example.com (it and all below it), IP:10.0.0.0/8, email:example.com (all addresses at"
    " this host), email:.example.com (at hosts below it), email:user@example.com, URI:example.com"
    " (this host), URI:.example.com (hosts below it)"
)
NOBODY: Final = "nobody.invalid"
"""A name that nobody has (RFC 2606): who may speak only for addresses there speaks for none."""

_KINDS: Final[dict[str, SubtreeKind]] = {"DNS": "dns", "IP": "ip", "email": "email", "URI": "uri"}
_PREFIX: Final = {kind: prefix for prefix, kind in _KINDS.items()}


class Subtree(msgspec.Struct, frozen=True, order=True):
    """A set of names of one kind; ``value`` as the certificate has it, "" being all of them."""

    kind: SubtreeKind
    value: str

    def __str__(self) -> str:
        """Return it as profiles have it."""
        return f"{_PREFIX[self.kind]}:{self.value}"

    @property
    def network(self) -> IPv4Network | IPv6Network:
        """The addresses of one of kind ``ip``."""
        return ip_network(self.value)

    @property
    def _host(self) -> str:
        """The domain that it is about."""
        return self.value.rpartition("@")[2].removeprefix(".")

    def inside(self, patterns: Sequence[Pattern]) -> bool:
        """Return whether these patterns together cover each name in it.

        ``DNS:example.com`` holds example.com itself, which ``*.example.com`` does not cover: it takes
        both patterns. No pattern covers all URIs of a host, whatever their scheme.
        """
        own = [pattern for pattern in patterns if pattern.kind == self.kind]
        match self.kind:
            case "dns":
                texts = {pattern.text for pattern in own}
                both = {self.value, f"*.{self.value}"} <= texts
                return both or any(p.tail and self.value.endswith(p.tail) for p in own)
            case "ip":
                return any(_holds(p, self.network) for p in own)
            case "email" if "@" in self.value:
                return any(p.matches(names.email(self.value)) for p in own)
            case "email":
                return any(p.tail == f"@{self.value}" for p in own)
            case "uri":
                return False

    def touches(self, pattern: Pattern) -> bool:
        """Return whether some name may be in it that the pattern covers; rather yes than no."""
        if pattern.kind != self.kind:
            return False
        if self.kind == "ip":
            other = ip_network(pattern.text)
            return other.version == self.network.version and other.overlaps(self.network)
        host = _host_of(pattern)
        return _below(host, self._host) or _below(self._host, host)


def parse(text: str) -> Subtree:
    """Read one entry of a profile.

    Raises:
        ValueError: what was found and what is allowed.
    """
    return _parse(text)


def closed(permitted: Sequence[Subtree]) -> tuple[tuple[Subtree, ...], tuple[Subtree, ...]]:
    """Return what else is to be permitted, and excluded, so that no kind is left open.

    All of DNS and IP can be excluded by a subtree; of e-mail and URIs programs disagree on how that
    is written, so there only names are permitted that nobody has.
    """
    given = {subtree.kind for subtree in permitted}
    excluded = [] if "dns" in given else [Subtree("dns", "")]
    versions = {s.network.version for s in permitted if s.kind == "ip"}
    excluded += [
        Subtree("ip", whole)
        for version, whole in ((4, "0.0.0.0/0"), (6, "::/0"))
        if version not in versions
    ]
    kinds: tuple[SubtreeKind, ...] = ("email", "uri")
    more = [Subtree(kind, NOBODY) for kind in kinds if kind not in given]
    return tuple(more), tuple(excluded)


@lru_cache(maxsize=256)
def _parse(text: str) -> Subtree:
    prefix, separator, value = text.partition(":")
    try:
        if not separator or prefix not in _KINDS or not value:
            raise ValueError("it does not begin with DNS:, IP:, email: or URI: and a name")
        return Subtree(_KINDS[prefix], _value(_KINDS[prefix], value))
    except (ValueError, Refused) as error:
        raise ValueError(f"found {text!r} ({error}); {ALLOWED}") from None


def _value(kind: SubtreeKind, value: str) -> str:
    if "*" in value:
        raise ValueError("“*” has no place here")
    if kind == "ip":
        return str(ip_network(value))
    if kind == "dns":
        return domains.canonical(domains.to_ascii(value))
    if kind == "email" and "@" in value:
        local, _, domain = value.rpartition("@")
        return names.email(f"{local}@{domains.to_ascii(domain)}").value
    dot = "." if value.startswith(".") else ""
    if "." not in value.removeprefix("."):
        raise ValueError("the name of a host has at least two parts")
    return dot + domains.canonical(domains.to_ascii(value.removeprefix(".")))


def _holds(pattern: Pattern, network: IPv4Network | IPv6Network) -> bool:
    outer = ip_network(pattern.text)
    if isinstance(outer, IPv4Network):
        return isinstance(network, IPv4Network) and network.subnet_of(outer)
    return isinstance(network, IPv6Network) and network.subnet_of(outer)


def _host_of(pattern: Pattern) -> str:
    if pattern.kind == "uri":
        return uris.around_host(pattern.text)[1]
    return pattern.text.rpartition("@")[2].removeprefix("*.")


def _below(name: str, base: str) -> bool:
    return name == base or name.endswith(f".{base}")
