"""Certificates that we depend on ourselves, and how long before its end each is spoken of."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from pipeline.crypto.identity import Identity
from pipeline.crypto.trust import Trust

log = structlog.get_logger(__name__)

Use = Literal["own", "trusted", "message-ca", "issuing-ca", "root-ca"]

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Watched:
    """A certificate whose end matters. ``owner`` is a side, an approver, or the subject of a CA;
    ``fingerprint`` is SHA-256 in hex."""

    use: Use
    owner: str
    fingerprint: str
    not_after: datetime

    def days_left(self, now: datetime) -> int:
        """Return the whole days until its end; negative when that is over."""
        return (self.not_after - now) // _DAY


Certificates = Callable[[], Sequence[Watched]]


def nothing() -> Sequence[Watched]:
    """Return no certificates: for a side that has none of its own, as in a simulation."""
    return ()


def watched(use: Use, owner: str, certificate: x509.Certificate) -> Watched:
    """Return what is watched of a certificate."""
    fingerprint = certificate.fingerprint(SHA256()).hex()
    return Watched(use, owner, fingerprint, certificate.not_valid_after_utc)


def of_messages(me: Callable[[], Identity], trust: Trust) -> list[Watched]:
    """Return what is watched of a side's messages: its own certificate, those that it trusts, and
    the message CA. Of several of one owner the last to end counts: the others were renewed."""
    own = me().certificate
    found = [watched("own", own.sender.name, own.certificate)]
    lasting: dict[str, Watched] = {}
    for one in trust.certificates():
        this = watched("trusted", one.sender.name, one.certificate)
        other = lasting.setdefault(one.sender.uri, this)
        if this.not_after > other.not_after:
            lasting[one.sender.uri] = this
    found += [lasting[uri] for uri in sorted(lasting)]
    return found + [
        watched("message-ca", ca.subject.rfc4514_string(), ca) for ca in trust.authorities
    ]


class ExpiryWatch:
    """Says of each certificate once at each of ``days`` before its end, and once when it is over."""

    def __init__(self, days: Iterable[float]) -> None:
        self._days = sorted(days)
        self._said: dict[str, float] = {}

    def look(self, certificates: Iterable[Watched], now: datetime) -> None:
        """Log what has come nearer to its end than at the last look."""
        for one in certificates:
            mark = self._mark(one, now)
            if mark is None or self._said.get(one.fingerprint, float("inf")) <= mark:
                continue
            self._said[one.fingerprint] = mark
            fields = {
                "use": one.use,
                "owner": one.owner,
                "fingerprint": one.fingerprint,
                "not_after": one.not_after.isoformat(),
                "days_left": one.days_left(now),
            }
            if mark <= 0:
                log.error("certificate-ended", **fields)
            else:
                log.warning("certificate-ends-soon", **fields)

    def _mark(self, one: Watched, now: datetime) -> float | None:
        """Return the smallest of ``days`` that is left at least, 0 after the end, None before all."""
        if one.not_after <= now:
            return 0.0
        return next((days for days in self._days if one.not_after - now <= days * _DAY), None)
