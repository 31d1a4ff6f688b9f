"""Learn from the web side what this signer did before it was restored from a backup.

(unknown), or any state that is not final → ISSUED, for a certificate whose signature is our
issuer's and whose key is the request's; the same → REJECTED, WITHDRAWN, EXPIRED, where the web side
was told that end. Any other request that both know keeps its state here, with a revision that the web
side listens to.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from sqlalchemy import Connection, insert, select, update

from pipeline.crypto import csr as csrs
from pipeline.crypto import public_keys
from pipeline.crypto.certificates import (
    certificate_from_der,
    is_issued_by,
    public_key_of,
    request_from_der,
)
from pipeline.crypto.csr import Csr
from pipeline.database.advance import Move, admit, advance, record
from pipeline.database.engine import AnyRow, Database
from pipeline.database.export import numbered
from pipeline.errors import HttpcaError, RequesterError
from pipeline.messages import (
    Body,
    CertificateDer,
    Der,
    Digest,
    Name,
    RequestId,
    Revision,
    Sentence,
    Time,
)
from pipeline.signer import issued_names
from pipeline.signer.issuers import Issuers
from pipeline.signer.tables import audit, certificates, ledger, requests, submissions, tbs
from pipeline.states import FINAL, State

MAKER = "reconcile"


class Held(Body, frozen=True):
    """One request as the web side holds it."""

    id: RequestId
    state: State
    revision: Revision
    reason: Sentence
    requester: Name | None
    created_at: Time
    csr: Der
    profile: Name
    source: Name
    comment: Sentence
    certificate: CertificateDer | None
    issuer: Digest | None


class NotImported(HttpcaError):
    """A line of the export cannot be what the web side holds."""


class _Overtaken(HttpcaError):
    """A worker has stored the request since it was looked for: an old message has come."""


def reconcile(
    database: Database, issuers: Issuers, lines: Iterable[str], operator: str, now: datetime
) -> Counter[str]:
    """Import every line, each in a transaction of its own; return what was done how often.

    To import again changes nothing more.

    Raises:
        NotImported: a line is not of an export, or a certificate is not ours.
        NotWhole: the export breaks off, so that it is not known what else was done.
    """
    done: Counter[str] = Counter()
    for number, line in numbered(lines):
        try:
            held = msgspec.json.decode(line, type=Held)
            done[_import_surely(database, issuers, held, now)] += 1
        except (msgspec.DecodeError, RecursionError, NotImported) as error:
            raise NotImported(f"line {number}: {error}; nothing of it was imported") from error
    with database.write() as connection:
        record(connection, audit, "reconciled", {"operator": operator, **done}, now)
    return done


def _import_surely(database: Database, issuers: Issuers, held: Held, now: datetime) -> str:
    while True:
        try:
            with database.write() as connection:
                return _import(connection, issuers, held, now)
        except _Overtaken:  # now it is there
            continue


def _import(connection: Connection, issuers: Issuers, held: Held, now: datetime) -> str:
    # Workers go on meanwhile: without the lock a certificate could be stored for a request that one of
    # them has just moved, and so without the state that says so.
    wanted = select(requests).where(requests.c.id == held.id).with_for_update()
    row = connection.execute(wanted).one_or_none()
    if held.state is State.ISSUED:
        return _import_issued(connection, issuers, held, row, now)
    if row is None:
        return _import_ended(connection, issuers, held, now)
    if held.state in FINAL and State(row.state) not in FINAL:
        return _end(connection, held, row, now)
    if row.revision >= held.revision:
        return "known"
    connection.execute(
        update(requests)
        .where(requests.c.id == held.id, requests.c.revision == row.revision)
        .values(revision=held.revision + 1, told_revision=held.revision, tell_at=now)
    )
    details = {"from": row.revision, "to": held.revision + 1}
    record(connection, audit, "revision-raised", details, now, held.id)
    return "revision raised"


def _import_issued(
    connection: Connection, issuers: Issuers, held: Held, row: AnyRow | None, now: datetime
) -> str:
    certificate = _ours(connection, issuers, held)
    stored = connection.scalar(
        select(certificates.c.certificate).where(certificates.c.request_id == held.id)
    )
    if stored is not None:
        return "known" if stored == held.certificate else "conflict: another certificate is here"
    details = _details(held, certificate)
    if row is None:
        _admit(connection, issuers, held, now)
        record(connection, audit, "certificate-imported", details, now, held.id)
    elif State(row.state) in FINAL:
        return f"conflict: it is {row.state} here"
    else:
        revision = max(row.revision + 1, held.revision)
        values = {"told_revision": revision, "next_attempt_at": None, "tell_at": now}
        move = Move(
            held.id, State(row.state), State.ISSUED, row.revision, revision, values, details
        )
        advance(connection, ledger, MAKER, [move], now)
    _store(connection, held, certificate, now)
    return "certificate imported"


def _import_ended(connection: Connection, issuers: Issuers, held: Held, now: datetime) -> str:
    if held.state not in FINAL:
        return "asked for again by the web side"
    _admit(connection, issuers, held, now)
    return "end imported"


def _end(connection: Connection, held: Held, row: AnyRow, now: datetime) -> str:
    """End a request that the web side was told is over: it does not ask again, nor listen."""
    revision = max(row.revision + 1, held.revision)
    values = {
        "reason": held.reason,
        "told_revision": revision,
        "next_attempt_at": None,
        "tell_at": now,
    }
    move = Move(held.id, State(row.state), held.state, row.revision, revision, values)
    advance(connection, ledger, MAKER, [move], now)
    return "end imported"


def _admit(connection: Connection, issuers: Issuers, held: Held, now: datetime) -> None:
    request: dict[str, Any] = {
        "id": held.id,
        "state": held.state,
        "revision": held.revision,
        "reason": held.reason,
        "told_revision": held.revision,
        "tell_at": now,
    }
    if not admit(connection, ledger, MAKER, [request], now):
        raise _Overtaken
    csr = _csr(held.csr)
    submission = {
        "request_id": held.id,
        "csr": held.csr,
        "profile_name": held.profile,
        "requester": held.requester,
        "source": held.source,
        "comment": held.comment,
        "submitted_at": held.created_at,
        "profile": {},
        "rule": {"name": "imported from the web side"},
        "issuer": held.issuer or issuers.current.fingerprint,
        "policy_digest": "",
        "key_fingerprint": None if csr is None else csr.key.fingerprint,
    }
    connection.execute(insert(submissions), [submission])


def _csr(csr_der: bytes) -> Csr | None:
    try:
        return csrs.read(csr_der)
    except RequesterError:  # what no policy would have looked at was rejected, and ended so
        return None


def _details(held: Held, certificate: x509.Certificate) -> dict[str, Any]:
    return {
        "serial": f"{certificate.serial_number:040x}",
        "issuer": held.issuer,
        "certificate": certificate.fingerprint(hashes.SHA256()).hex(),
    }


def _store(
    connection: Connection, held: Held, certificate: x509.Certificate, now: datetime
) -> None:
    serial = f"{certificate.serial_number:040x}"
    known = connection.scalar(select(tbs.c.serial).where(tbs.c.request_id == held.id))
    if known is None:
        row = {
            "request_id": held.id,
            "serial": serial,
            "issuer": held.issuer,
            "not_before": certificate.not_valid_before_utc,
            "not_after": certificate.not_valid_after_utc,
            "octets": certificate.tbs_certificate_bytes,
            "created_at": now,
        }
        connection.execute(insert(tbs), [row])
    stored = {
        "request_id": held.id,
        "serial": serial,
        "issuer": held.issuer,
        "certificate": held.certificate,
        "issued_at": now,
    }
    connection.execute(insert(certificates), [stored])
    csr = _csr(held.csr)
    issued_names.note(connection, {held.id: csr.names if csr is not None else ()})


def _ours(connection: Connection, issuers: Issuers, held: Held) -> x509.Certificate:
    """Return the certificate, if an issuer of ours signed it for the request's key."""
    issuer = issuers.certificate(connection, held.issuer)
    if held.certificate is None or issuer is None:
        raise NotImported(
            f"request {held.id} is issued, without a certificate of an issuer of ours"
        )
    try:
        certificate = certificate_from_der(held.certificate)
        request = request_from_der(held.csr)
        keys = [public_keys.spki(public_key_of(one)) for one in (certificate, request)]
    except ValueError as error:
        raise NotImported(f"the certificate of request {held.id} is not ours") from error
    if not is_issued_by(certificate, issuer):
        raise NotImported(f"the certificate of request {held.id} is not ours")
    if keys[0] != keys[1]:
        raise NotImported(f"the certificate of request {held.id} is for another key")
    serial = f"{certificate.serial_number:040x}"
    owners = (
        select(table.c.request_id).where(table.c.serial == serial) for table in (certificates, tbs)
    )
    if any(connection.scalar(owner) not in (None, held.id) for owner in owners):
        raise NotImported(f"the certificate of request {held.id} is that of another request")
    return certificate
