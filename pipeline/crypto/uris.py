"""The one canonical form of a URI in a certificate (RFC 3986, RFC 5280 section 4.2.1.6).

Stricter than RFC 3986 allows: whatever two readers could understand differently (dot segments, an
encoded slash, user names, empty segments) is refused rather than normalised, so that a pattern
which matches by path segments cannot be led astray.
"""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

from pipeline.crypto import domains
from pipeline.crypto.visible import visible
from pipeline.errors import N_, Refused

MAX_URI: Final = 2048

_CHARACTERS: Final = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*")
_PARTS: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*):(?P<slashes>//(?P<authority>[^/?#]*))?"
    r"(?P<path>[^?#]*)(?P<query>\?[^#]*)?(?P<fragment>#.*)?"
)
_AUTHORITY: Final = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{1,5}))?")
_TO_HOST: Final = re.compile(r"[^:]+://(?P<host>\[[^\]]*\]|[^:/?]+)")
_NUMBER: Final = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
"""The last part of a host that browsers take for an IPv4 address (WHATWG URL, "ends in a number")."""
_PORTS: Final = {"ftp": 21, "http": 80, "https": 443, "ws": 80, "wss": 443}
"""The ports that go without saying, of schemes whose URIs always name a host (RFC 9110 section 4.2):
browsers find one even in “https:example.com” (WHATWG URL, "special scheme")."""
_NO_PATH: Final = re.compile(rf"((?:{'|'.join(_PORTS)})://[^/?]+)(\?.*)?")
_PERCENT: Final = re.compile(r"%(?P<hex>[0-9A-Fa-f]{2})?")
_NEVER_ENCODED: Final = re.compile(r"[A-Za-z0-9\-._~/\\\x00-\x1f\x7f]")

CHARACTER: Final = N_(
    "“%(name)s” is not a URI: it contains a character that must be percent-encoded."
)
TOO_LONG: Final = N_("“%(name)s” is longer than the 2048 characters that a URI may have here.")
RELATIVE: Final = N_(
    "“%(name)s” is not a complete URI. Begin with a scheme, as in “spiffe://example.org/service”."
)
FRAGMENT: Final = N_("“%(name)s” contains a “#” part, which cannot be certified. Remove it.")
HOST: Final = N_("“%(name)s” does not name a host that is a DNS name or an IP address.")
USER: Final = N_("“%(name)s” contains a user name before “@”. Remove it.")
PERCENT: Final = N_(
    "“%(name)s” percent-encodes something that must not be encoded, or does so wrongly."
)
SEGMENT: Final = N_("“%(name)s” contains an empty, “.” or “..” path segment. Remove it.")


def canonical(text: str) -> str:
    """Return a URI in canonical form: scheme and host in lower case, percent-encoding in upper, and no
    port that goes without saying (RFC 3986 section 6.2.3).

    Raises:
        Refused: ``invalid-name``, with the URI and what is wrong with it.
    """
    if len(text) > MAX_URI:
        raise _refused(TOO_LONG, text)
    if not _CHARACTERS.fullmatch(text):
        raise _refused(CHARACTER, text)
    parts = _PARTS.fullmatch(text)
    if parts is None or not (parts["slashes"] or parts["path"]):
        raise _refused(RELATIVE, text)
    if parts["fragment"] is not None:
        raise _refused(FRAGMENT, text)
    scheme, authority, path = parts["scheme"].lower(), "", parts["path"]
    if scheme in _PORTS and not parts["slashes"]:
        raise _refused(HOST, text)
    if parts["slashes"]:
        authority = "//" + _authority(text, scheme, parts["authority"])
        segments = path.split("/")[1:]
        if any(s in (".", "..") for s in segments) or "" in segments[:-1]:
            raise _refused(SEGMENT, text)
    elif scheme == "urn":  # the identifier of its namespace has no case (RFC 8141 section 3.1)
        namespace, colon, name = path.partition(":")
        path = namespace.lower() + colon + name
    rest = _PERCENT.sub(lambda found: _encoded(text, found), path + (parts["query"] or ""))
    return f"{scheme}:{authority}{rest}"


def around_host(uri: str) -> tuple[str, str, str]:
    """Return what stands before the host of a canonical URI, the host, and what follows it.

    A URI without authority has no host; then all of it stands before that.
    """
    host = _TO_HOST.match(uri)
    if host is None:
        return uri, "", ""
    return uri[: host.start("host")], host["host"], uri[host.end() :]


def with_path(uri: str) -> str:
    """Return a canonical URI with the path “/”, where it has none and its scheme means that one by this
    (RFC 9110 section 4.2.3)."""
    without = _NO_PATH.fullmatch(uri)
    return uri if without is None else f"{without[1]}/{without[2] or ''}"


def _authority(text: str, scheme: str, authority: str) -> str:
    if "@" in authority:
        raise _refused(USER, text)
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None or int(parts["port"] or 0) > 65535:
        raise _refused(HOST, text)
    try:
        host = _host(parts["host"])
    except (AddressValueError, Refused):
        raise _refused(HOST, text) from None
    if not parts["port"] or int(parts["port"]) == _PORTS.get(scheme):
        return host
    return f"{host}:{int(parts['port'])}"


def _host(host: str) -> str:
    if host.startswith("["):
        address = IPv6Address(host[1:-1])
        if address.scope_id is not None or address.ipv4_mapped is not None:
            raise AddressValueError(host)
        return f"[{address}]"
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        return str(IPv4Address(host))
    if "*" in host:
        raise AddressValueError(host)
    return domains.canonical(host)


def _encoded(text: str, found: re.Match[str]) -> str:
    if found["hex"] is None or _NEVER_ENCODED.match(chr(int(found["hex"], 16))):
        raise _refused(PERCENT, text)
    return found[0].upper()


def _refused(template: str, text: str) -> Refused:
    return Refused("invalid-name", template, name=visible(text, 120))
