"""How often one may ask: each address, and each known requester, in a minute.

The address is that of the connection, or what so many proxies say as ``http.trusted_proxies`` are.
"""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Final

from flask import Flask, request

from pipeline.errors import N_, TooMany
from pipeline.web.access import requester
from pipeline.web.site import site

UNCOUNTED: Final = frozenset({"static", "health.alive", "health.ready", "health.metrics"})
"""Endpoints that cost nothing, or that supervision must always reach."""

ADDRESS_TOO_OFTEN: Final = N_(
    "From your network address more was asked for than the %(limit)d requests that are answered in a"
    " minute. Go on in %(seconds)d seconds, and more slowly."
)
REQUESTER_TOO_OFTEN: Final = N_(
    "With your token more was asked for than the %(limit)d requests that are answered in a minute."
    " Go on in %(seconds)d seconds, and more slowly."
)

_IPV6_HOST_BITS: Final = 64


def count_addresses(app: Flask) -> None:
    """Let what comes next only be done for addresses that do not ask too often."""
    app.before_request(_count_address)


def count_requesters(app: Flask) -> None:
    """Let what comes next only be done for requesters who do not ask too often."""
    app.before_request(_count_requester)


def count_further(count: int) -> None:
    """Count further submissions that came by the same request.

    One call never counts more than all that a minute has, so that it can pass at all.

    Raises:
        TooMany: there are not so many permits left.
    """
    if count:
        _count_address(count)
        _count_requester(count)


@lru_cache(maxsize=1024)
def subject_of(address: str | None) -> str:
    """Return whom an address is counted for: IPv6 by /64, which is what one customer has at least.

    What is no address, as only a proxy can say it, is all counted together.
    """
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return "address:unknown"
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is None:
            network = IPv6Address(int(parsed) >> _IPV6_HOST_BITS << _IPV6_HOST_BITS)
            return f"address:{network}/64"
        parsed = parsed.ipv4_mapped
    return f"address:{parsed}"


def _count_address(count: int = 1) -> None:
    if request.endpoint not in UNCOUNTED:
        limit = site().settings.limits.address
        _count(subject_of(request.remote_addr), limit, count, ADDRESS_TOO_OFTEN)


def _count_requester(count: int = 1) -> None:
    name = requester()
    if name is not None:
        limit = site().settings.limits.requester
        _count(f"requester:{name}", limit, count, REQUESTER_TOO_OFTEN)


def _count(subject: str, limit: int, count: int, sentence: str) -> None:
    permits = site().permits
    if limit and not permits.take(subject, limit, max(1, min(count, limit - 1))):
        raise TooMany(sentence, permits.seconds_left(), limit=limit)
