"""One certificate that was issued, checked again: by what is stored of it, by its profile as it stood,
by today's policy, and by its lints."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec
from cryptography import x509

from pipeline.crypto import csr as csrs
from pipeline.crypto import key_lists
from pipeline.crypto.csr import Csr
from pipeline.crypto.profile import Profile
from pipeline.errors import ItemFailed, RequesterError
from pipeline.signer import authority, lint
from pipeline.signer.audit.findings import Finding
from pipeline.signer.issuer import Issuer
from pipeline.signer.policy import Policy, judge
from pipeline.states import State


@dataclass(frozen=True, slots=True)
class Issued:
    """All that the signer's database says of one certificate. ``serial`` and ``issuer`` are those of
    certificate and TBS, ``told`` what the audit says of it: the SHA-256 of certificates (hex)."""

    request_id: str
    state: str
    serial: tuple[str, str | None]
    issuer: tuple[str, str | None]
    certificate: bytes
    tbs: bytes | None
    prepared_at: datetime | None
    csr: bytes
    profile_name: str
    profile: Mapping[str, Any]
    requester: str | None
    source: str
    created_at: datetime
    told: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found of one certificate; ``key_names`` are those of its key in lists of keys."""

    serial: str
    request_id: str
    key_names: tuple[str, ...]
    findings: tuple[Finding, ...]


class Checker:
    """Checks certificates; ``policy`` is today's, or None when that does not matter."""

    def __init__(self, issuers: Mapping[str, Issuer], policy: Policy | None) -> None:
        self._issuers = issuers
        self._policy = policy

    def check(self, row: Issued) -> Checked:
        """Check one certificate in every way."""
        try:
            names, found = self._check(row)
        except Exception as error:  # noqa: BLE001 - who spoils one record must not hide all others
            problem = f"what is on record of it cannot be read ({type(error).__name__})"
            names, found = (), [Finding("record", problem)]
        return Checked(row.serial[0], row.request_id, names, tuple(found))

    def _check(self, row: Issued) -> tuple[tuple[str, ...], list[Finding]]:
        found = list(self._of_record(row))
        names: tuple[str, ...] = ()
        try:
            csr = csrs.read(row.csr)
        except RequesterError as error:
            found.append(Finding("csr", f"its CSR would be refused today: {error}"))
        else:
            names = key_lists.names(csr.public_key, csr.key.fingerprint)
            found += self._of_csr(row, csr)
        for one in lint.findings(row.certificate, row.profile.get("lint", ("rfc5280",))):
            found.append(Finding("lint", f"{one}: {one.message}" if one.message else f"{one}"))
        return names, found

    def _of_record(self, row: Issued) -> Iterator[Finding]:
        """Compare what several tables say of it."""
        if row.state != State.ISSUED:
            yield Finding("state", f"its request is {row.state}")
        if row.tbs is None:
            yield Finding("tbs", "its TBS is not on record")
        elif len(set(row.serial)) > 1 or len(set(row.issuer)) > 1:
            yield Finding("tbs", "its TBS on record has another serial number or issuer")
        if sha256(row.certificate).hexdigest() not in row.told:
            yield Finding("audit", "no entry of the audit tells of it")

    def _of_csr(self, row: Issued, csr: Csr) -> Iterator[Finding]:
        issuer = self._issuers.get(row.issuer[0])
        if issuer is None:
            yield Finding("issuer", f"its issuing CA {row.issuer[0][:16]}... is not known")
            return
        try:
            # What was imported after a restore has none: the web side does not know it.
            profile = Profile.from_snapshot(dict(row.profile)) if row.profile else None
            authority.verify(row.certificate, row.tbs or b"", csr, profile, issuer)
        except msgspec.ValidationError as error:
            yield Finding("profile", f"its profile cannot be read: {error}")
            return
        except ItemFailed as error:
            yield Finding("certificate", str(error))
            return
        certificate = x509.load_der_x509_certificate(row.certificate)
        if f"{certificate.serial_number:040x}" != row.serial[0]:
            yield Finding("certificate", "it has another serial number than is on record")
        if profile is not None:
            yield from _of_profile(row, certificate, csr, profile, issuer)
        if self._policy is not None:
            verdict = judge(
                self._policy, csr, row.profile_name, row.requester, row.source, at=row.created_at
            )
            if verdict.action == "reject":
                yield Finding("policy", f"today's policy would reject it: {verdict.reason}")


def _of_profile(
    row: Issued, certificate: x509.Certificate, csr: Csr, profile: Profile, issuer: Issuer
) -> Iterator[Finding]:
    """Make it anew of CSR and profile, at the time when it was made, and compare what is in it."""
    try:
        moment = row.prepared_at or certificate.not_valid_before_utc
        made = authority.prepare(csr, profile, issuer, moment, certificate.serial_number)
        again = x509.load_der_x509_certificate(made.certificate)
    except (ItemFailed, ValueError) as error:
        yield Finding("profile", f"it cannot be made by its profile: {error}")
        return
    if (again.not_valid_before_utc, again.not_valid_after_utc) != (
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
    ):
        yield Finding("profile", "its validity is not what its profile says")
    mine, theirs = _extensions(certificate), _extensions(again)
    for name in sorted(mine.keys() | theirs.keys()):
        if mine.get(name) != theirs.get(name):
            yield Finding("profile", f"its {name} is not what its profile says")


def _extensions(certificate: x509.Certificate) -> dict[str, tuple[bool, bytes]]:
    return {
        one.oid._name if one.oid._name != "Unknown OID" else one.oid.dotted_string: (
            one.critical,
            one.value.public_bytes(),
        )
        for one in certificate.extensions
    }
