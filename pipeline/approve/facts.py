"""Everything that an approver is told of one request, gathered once for the screen and for JSON.

Pure: made from a request as it was read, and nothing else.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

import msgspec
from cryptography import x509

from pipeline.approve import homographs, standing
from pipeline.approve.past import Past
from pipeline.approve.waiting import Recorded, Request
from pipeline.crypto import csr as csrs
from pipeline.crypto import subject as subjects
from pipeline.crypto import told
from pipeline.crypto.certificates import certificate_from_der
from pipeline.crypto.csr import Csr
from pipeline.crypto.names import Name
from pipeline.crypto.profile import Profile
from pipeline.crypto.subject import Part
from pipeline.crypto.usages import NAMES_OF_USES
from pipeline.errors import Refused, RequesterError

MANY_NAMES: Final = 20
"""From how many names on their number is worth a word of its own."""

SHOWN_NEW_NAMES: Final = 3
"""Of the names that were never issued before, so many are named."""


@dataclass(frozen=True, slots=True)
class CertificateToBe:
    """What the certificate will contain if the request is accepted; ``dropped`` is what its CSR asks
    for and it will not have."""

    subject: str
    names: tuple[Name, ...]
    key_usage: tuple[str, ...]
    extended_key_usage: tuple[str, ...]
    validity: str
    not_after: datetime
    cut_short: bool
    urls: tuple[tuple[str, str], ...]
    ca: bool
    powers: tuple[tuple[str, str], ...]
    dropped: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """One request as it is shown.

    ``unusual`` is what deserves attention. ``unacceptable`` says why accepting is impossible, since
    something that would be signed cannot be shown, or made; it is empty when accepting is possible.
    ``not_mine`` says why a decision of this approver would not count; empty when it would.
    ``past`` is None while nobody has looked at what came before.
    """

    request: Request
    csr: Csr | None
    profile: Profile | None
    issuer: x509.Certificate | None
    certificate: CertificateToBe | None
    digest: str
    unusual: tuple[str, ...]
    unacceptable: str = field(default="")
    not_mine: str = field(default="")
    past: Past | None = None

    @property
    def counted(self) -> tuple[Recorded, ...]:
        """The decisions that count so far."""
        return tuple(d for d in self.request.decisions if d.effect == standing.COUNTED)


def gather(request: Request, me: str, now: datetime) -> Facts:
    """Gather what approver ``me`` is told of a request at the moment ``now``."""
    csr, csr_trouble = _csr(request)
    profile, profile_trouble = _profile(request)
    issuer, issuer_trouble = _issuer(request)
    not_mine = standing.not_mine(request, me)
    certificate, subject_trouble = None, ""
    parts: tuple[Part, ...] = ()
    if csr is not None and profile is not None and issuer is not None:
        try:
            parts = subjects.compose(csr, profile)
        except Refused as refused:
            subject_trouble = f"The certificate cannot be made: {refused}"
        else:
            named = subjects.to_name(parts)
            certificate = _certificate(named, csr, profile, issuer, now)
            if subjects.same(named, issuer.subject):
                subject_trouble = "The certificate would have the name of its issuing CA."
    return Facts(
        request=request,
        csr=csr,
        profile=profile,
        issuer=issuer,
        certificate=certificate,
        digest=request.approvable().digest(),
        unusual=tuple(_unusual(request, csr, parts, certificate, not_mine)),
        unacceptable=csr_trouble or profile_trouble or issuer_trouble or subject_trouble,
        not_mine=not_mine,
    )


def with_past(facts: Facts, past: Past) -> Facts:
    """Return the facts with what is unusual because of what came before."""
    return replace(facts, unusual=(*facts.unusual, *_unusual_since(past, facts)), past=past)


def pem(csr: bytes) -> str:
    """Return a CSR as PEM (RFC 7468)."""
    text = base64.b64encode(csr).decode("ascii")
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    marks = "-----BEGIN CERTIFICATE REQUEST-----", "-----END CERTIFICATE REQUEST-----"
    return "\n".join([marks[0], *lines, marks[1], ""])


def _csr(request: Request) -> tuple[Csr | None, str]:
    try:
        return csrs.read(request.csr), ""
    except RequesterError as error:
        return None, f"The CSR cannot be shown: {error}"


def _profile(request: Request) -> tuple[Profile | None, str]:
    try:
        return Profile.from_snapshot(dict(request.profile)), ""
    except (msgspec.ValidationError, ValueError) as error:
        return None, f"The profile of this request cannot be shown: {error}"


def _issuer(request: Request) -> tuple[x509.Certificate | None, str]:
    if request.issuer_certificate is None:
        return None, "The certificate of the issuing CA is not in the signer's database."
    if request.approvable().issuer != request.issuer:
        return None, "The issuing CA of this request is not the one that its record names."
    try:
        return certificate_from_der(request.issuer_certificate), ""
    except ValueError:
        return None, "The certificate of the issuing CA cannot be read."


def _certificate(
    named: x509.Name, csr: Csr, profile: Profile, issuer: x509.Certificate, now: datetime
) -> CertificateToBe:
    begin = now.replace(microsecond=0) - profile.backdate_time
    wanted = begin + profile.validity_time - timedelta(seconds=1)
    urls = (
        *(("CRL", url) for url in profile.crl_distribution_points),
        *(("OCSP", url) for url in profile.ocsp),
        *(("issuer", url) for url in profile.ca_issuers),
    )
    return CertificateToBe(
        subject=subjects.text_of(named),
        names=csr.names,
        key_usage=profile.usages_for(csr.key.family),
        extended_key_usage=tuple(
            NAMES_OF_USES.get(oid, oid) for oid in profile.extended_key_usage_oids()
        ),
        validity=profile.validity,
        not_after=min(wanted, issuer.not_valid_after_utc),
        cut_short=issuer.not_valid_after_utc < wanted,
        urls=urls,
        ca=profile.ca,
        powers=told.powers(profile),
        dropped=told.dropped(csr, profile),
    )


def _unusual(
    request: Request,
    csr: Csr | None,
    parts: Sequence[Part],
    certificate: CertificateToBe | None,
    not_mine: str,
) -> list[str]:
    found: list[str] = []
    if not_mine:
        found.append(not_mine)
    found += [
        f"{d.approver} has already said {d.verdict}."
        for d in request.decisions
        if request.waits and d.effect == standing.COUNTED
    ]
    for part in parts:
        found += [f"{warning}." for warning in homographs.warnings_of_text(part.value)]
    if csr is not None:
        for name in csr.names:
            found += [f"{warning}." for warning in homographs.warnings(name)]
        wild = [name.display() for name in csr.names if name.is_wildcard]
        found += [f"{name} stands for every host there." for name in wild]
        if len(csr.names) >= MANY_NAMES:
            found.append(f"It asks for {len(csr.names)} names.")
        if csr.unsupported_names:
            found.append("It asks for names of a kind that is never issued.")
        dropped = csr.ignored if certificate is None else certificate.dropped
        if any(part.startswith("extension ") for part in dropped):
            found.append("It asks for extensions that are dropped.")
    if certificate is not None and certificate.cut_short:
        found.append("It would end early, together with its issuing CA.")
    return found


def _unusual_since(past: Past, facts: Facts) -> list[str]:
    found: list[str] = []
    if past.first:
        found.append("It is the first request of this requester.")
    count = 0 if facts.csr is None else len(facts.csr.names)
    if past.new_names and len(past.new_names) == count:
        each = "Its name was never" if count == 1 else "None of its names was ever"
        found.append(f"{each} issued before.")
    elif past.new_names:
        more = len(past.new_names) - SHOWN_NEW_NAMES
        shown = ", ".join(str(name) for name in past.new_names[:SHOWN_NEW_NAMES])
        found.append(f"Never issued before: {shown}{f' and {more} more' if more > 0 else ''}.")
    if past.key_of_others:
        found.append("Its key came in a request of somebody else, too.")
    if past.key_issued:
        found.append("Its key has a certificate already.")
    return found
