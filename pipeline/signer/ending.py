"""Issuing CAs that end before the certificates that they issue would (pure).

A certificate is never valid for longer than its issuer (RFC 5280 section 4.1.2.5). One that would be
is issued all the same and ends with its issuer; operators are warned long before, so that the next
issuing CA is there in time.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.crypto.profile import Profile
from pipeline.signer.issuer import Issuer
from pipeline.signer.policy import Policy


@dataclass(frozen=True, slots=True)
class Ending:
    """An issuing CA (its name) with the profile that it cuts short first, and from when on it does;
    ``begun`` when it does now."""

    issuer: str
    profile: str
    not_after: datetime
    cuts_from: datetime
    begun: bool


def ending(
    issuers: Sequence[Issuer], policy: Policy, now: datetime, ahead: timedelta
) -> Iterator[Ending]:
    """Yield the issuing CAs that cut certificates short now or ``ahead`` from now.

    ``issuers`` are those that take what is new; the first takes what no profile names another for.
    """
    for issuer in issuers:
        names = ("", issuer.name) if issuer is issuers[0] else (issuer.name,)
        longest = _longest(one for one in policy.profiles.values() if one.issuer in names)
        if longest is None:
            continue
        cuts_from = issuer.not_after - (longest.validity_time - longest.backdate_time)
        if cuts_from <= now + ahead:
            begun = cuts_from <= now
            yield Ending(issuer.name, longest.name, issuer.not_after, cuts_from, begun)


def _longest(profiles: Iterable[Profile]) -> Profile | None:
    return max(profiles, key=lambda one: one.validity_time - one.backdate_time, default=None)
