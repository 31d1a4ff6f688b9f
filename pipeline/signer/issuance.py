"""Issue a group of requests: TBS before signature, and only stored bytes ever leave."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import structlog
from sqlalchemy import Connection, String, Text, cast, literal, select

from pipeline.crypto.csr import Csr
from pipeline.crypto.names import Name
from pipeline.crypto.profile import Profile
from pipeline.database.advance import advance, record
from pipeline.database.engine import AnyRow
from pipeline.database.sets import among_given, insert_new, still
from pipeline.errors import HttpcaError, ItemFailed
from pipeline.messages import Outcome
from pipeline.signer import authority, blocked_keys, issued_names
from pipeline.signer.authority import Prepared
from pipeline.signer.issuer import Issuer
from pipeline.signer.lint import LINTER
from pipeline.signer.operate import IS_SUSPENDED
from pipeline.signer.side import SignerSide, move
from pipeline.signer.tables import audit, certificates, ledger, requests, submissions, tbs
from pipeline.signer.verified import VERIFIED
from pipeline.states import State

log = structlog.get_logger(__name__)


class Suspended(HttpcaError):
    """An operator has stopped all signing; the requests go on waiting."""


def issue(side: SignerSide, group: Sequence[AnyRow]) -> list[Outcome]:
    """Issue certificates for claimed requests (rows with ``id``, ``state``, ``revision``); return what
    the web side is to be told of those issued, whose rows are held for that.

    Raises:
        ItemFailed: one of them cannot be issued, now or ever.
        InfrastructureError: database or key are out of reach; the same call may be made again.
        Suspended: an operator has stopped all signing.
    """
    ids = [row.id for row in group]
    asked, made = _prepare(side, ids)
    prepared = {row.request_id: row for row in _stored_tbs(side, ids)}
    signed = {one: _sign(side, row, *asked[one], made.get(one)) for one, row in prepared.items()}
    names = {one: asked[one][0].names for one in prepared}
    return _store(side, [row for row in group if row.id in prepared], prepared, signed, names)


# Statements are built once: to build one costs more than to run it.
_ASKED: Final = (
    select(
        submissions.c.request_id,
        submissions.c.csr,
        cast(submissions.c.profile, Text).label("profile"),
        submissions.c.issuer,
        tbs.c.serial,
        tbs.c.issuer.label("tbs_issuer"),
    )
    .join_from(submissions, tbs, tbs.c.request_id == submissions.c.request_id, isouter=True)
    .where(among_given(submissions.c.request_id, "ids"))
)
_WANTED: Final = (
    among_given(requests.c.id, "ids"),
    still(requests.c.state, literal(State.WAITING_FOR_SIGNATURE, String)),
)
_STILL_WAITING: Final = select(requests.c.id).where(*_WANTED).with_for_update(read=True)
_TO_SIGN: Final = (
    select(
        tbs.c.request_id,
        tbs.c.serial,
        tbs.c.issuer,
        tbs.c.octets,
        IS_SUSPENDED.label("suspended"),
    )
    .join_from(tbs, requests)
    .where(*_WANTED)
)


def _prepare(
    side: SignerSide, ids: Sequence[str]
) -> tuple[dict[str, tuple[Csr, Profile]], dict[str, Prepared]]:
    """Step 2: commit the TBS of each request that has none yet; the first stored one wins. What would
    be no good certificate, or is for a blocked key, gets no TBS. Return what is asked for, and what was
    made of it now."""
    with side.database.read() as connection:
        rows = connection.execute(_ASKED, {"ids": ids}).all()
        read = {
            row.request_id: (
                VERIFIED.read(row.csr),
                Profile.from_text(row.profile),
            )
            for row in rows
        }
        asked = [csr for csr, _ in read.values()]
        blocked = blocked_keys.reasons(connection, asked, side.trust.keys())
    now = side.now()
    for csr in asked:
        if csr.key.fingerprint in blocked:
            raise ItemFailed(blocked[csr.key.fingerprint])
    fresh: list[dict[str, Any]] = []
    prepared = {}
    for row in rows:
        if row.serial is not None:
            continue
        issuer = _issuer(side, row.issuer)
        serial = authority.new_serial(side.random)
        csr, profile = read[row.request_id]
        made = authority.prepare(csr, profile, issuer, now, serial)
        LINTER.ensure_clean(made, profile, every=side.settings.lint == "every")
        if made.not_after == issuer.not_after:
            log.warning("validity-cut-short", request_id=row.request_id, issuer=issuer.name)
        prepared[row.request_id] = made
        fresh.append(
            {
                "request_id": row.request_id,
                "serial": f"{made.serial:040x}",
                "issuer": issuer.fingerprint,
                "not_before": made.not_before,
                "not_after": made.not_after,
                "octets": made.tbs,
                "created_at": now,
            }
        )
    with side.database.write() as connection:
        waiting = _still_waiting(connection, [row["request_id"] for row in fresh]) if fresh else ()
        wanted = [row for row in fresh if row["request_id"] in waiting]
        insert_new(connection, tbs, wanted, tbs.c.request_id)
        again = [row.tbs_issuer for row in rows if row.serial is not None]
        _note_use_of_keys(connection, [row["issuer"] for row in wanted], again, now)
    return read, prepared


def _note_use_of_keys(
    connection: Connection, first: Sequence[str], again: Sequence[str], now: datetime
) -> None:
    """No audit entry, no action: what a key is about to sign is on record before it does.

    Each issuance says issuer and serial itself, so that one entry for each issuer and batch is enough;
    ``again`` counts what may have been signed before, by a worker that then died.
    """
    for issuer in sorted({*first, *again}):
        counts = {"count": first.count(issuer), "again": again.count(issuer)}
        record(connection, audit, "signing-begun", {"issuer": issuer, **counts}, now)


def _still_waiting(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Keep operators from rejecting a request while its TBS is stored: signing begins with that."""
    return set(connection.scalars(_STILL_WAITING, {"ids": ids}))


def _stored_tbs(side: SignerSide, ids: Sequence[str]) -> Sequence[AnyRow]:
    """Re-check, last before the key is used, that signing is not suspended and still wanted."""
    with side.database.read() as connection:
        rows = connection.execute(_TO_SIGN, {"ids": ids}).all()
    if any(row.suspended for row in rows):
        raise Suspended("signing is suspended")
    return rows


def _sign(
    side: SignerSide, row: AnyRow, csr: Csr, profile: Profile, made: Prepared | None
) -> bytes:
    """Steps 3 and 4: sign the stored bytes, assemble, compare with request and TBS."""
    issuer = _issuer(side, row.issuer)
    authority.ensure_usable(row.octets, issuer, side.now(), made)
    certificate = authority.assemble(row.octets, authority.sign(row.octets, issuer))
    authority.verify(certificate, row.octets, csr, profile, issuer)
    return certificate


def _issuer(side: SignerSide, fingerprint: str) -> Issuer:
    issuer = side.issuers.get(fingerprint)
    if issuer is None:
        raise ItemFailed(f"the issuing CA {fingerprint[:16]}... is no longer here")
    return issuer


def issued_details(row: AnyRow, certificate: bytes) -> dict[str, str]:
    """Return what the audit says of a certificate, so that an entry proves which one it is about."""
    return {
        "serial": row.serial,
        "issuer": row.issuer,
        "certificate": sha256(certificate).hexdigest(),
    }


def _store(
    side: SignerSide,
    group: Sequence[AnyRow],
    prepared: dict[str, AnyRow],
    signed: dict[str, bytes],
    names: dict[str, tuple[Name, ...]],
) -> list[Outcome]:
    """Step 5: the first stored certificate wins, together with the state that says so."""
    now = side.now()
    tell_at = now + side.settings.worker.lease_time
    moves = [
        move(
            row,
            State.ISSUED,
            now,
            tell_at=tell_at,
            details=issued_details(prepared[row.id], signed[row.id]),
        )
        for row in group
    ]
    rows = [
        {
            "request_id": row.id,
            "serial": prepared[row.id].serial,
            "issuer": prepared[row.id].issuer,
            "certificate": signed[row.id],
            "issued_at": now,
        }
        for row in group
    ]
    own = {certificates.c.request_id: rows, issued_names.REQUEST: issued_names.rows(names)}
    with side.database.write() as connection:
        moved = advance(connection, ledger, "sign", moves, now, belonging=own)
    if moved:
        issued = sorted(moved)
        serials = [prepared[request_id].serial for request_id in issued]
        side.mark.set(issued[-1], serials[-1])
        log.info("issued", count=len(issued), request_ids=issued, serials=serials)
    return [
        Outcome(
            id=one.request_id,
            revision=one.new_revision,
            state=one.target,
            changed_at=now,
            certificate=signed[one.request_id],
            issuer=prepared[one.request_id].issuer,
        )
        for one in moves
        if one.request_id in moved
    ]
