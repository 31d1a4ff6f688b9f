"""Issue a group of requests: TBS before signature, and only stored bytes ever leave."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

import structlog
from sqlalchemy import select

from pipeline.crypto.names import Name
from pipeline.database.advance import advance
from pipeline.database.engine import AnyRow
from pipeline.errors import HttpcaError
from pipeline.messages import Outcome
from pipeline.signer import authority, issued_names
from pipeline.signer.begin import WANTED, Begun, Claimed, begin_claimed, issuer_of
from pipeline.signer.operate import IS_SUSPENDED
from pipeline.signer.side import SignerSide, move
from pipeline.signer.tables import certificates, ledger, requests, tbs
from pipeline.states import State

log = structlog.get_logger(__name__)


class Suspended(HttpcaError):
    """An operator has stopped all signing; the requests go on waiting."""


def issue(side: SignerSide, group: Sequence[Claimed], given: dict[str, Begun]) -> list[Outcome]:
    """Issue certificates for claimed requests; return what the web side is to be told of those issued,
    whose rows are held for that.

    ``given`` are those that were begun as they were stored. They are taken out of it: whoever tries
    again begins again, so that each use of the key is on record, and is the block list's to refuse.

    Raises:
        ItemFailed: one of them cannot be issued, now or ever.
        InfrastructureError: database or key are out of reach; the same call may be made again.
        Suspended: an operator has stopped all signing.
    """
    ids = [row.id for row in group]
    begun = {one: given.pop(one) for one in ids if one in given}
    begun |= begin_claimed(side, [one for one in ids if one not in begun])
    prepared = {row.request_id: row for row in _stored_tbs(side, ids)}
    signed = {one: _sign(side, row, begun[one]) for one, row in prepared.items()}
    names = {one: begun[one].csr.names for one in prepared}
    return _store(side, [row for row in group if row.id in prepared], prepared, signed, names)


# Built once: to build a statement costs more than to run it.
_TO_SIGN: Final = (
    select(
        tbs.c.request_id,
        tbs.c.serial,
        tbs.c.issuer,
        tbs.c.octets,
        IS_SUSPENDED.label("suspended"),
    )
    .join_from(tbs, requests)
    .where(*WANTED)
)


def _stored_tbs(side: SignerSide, ids: Sequence[str]) -> Sequence[AnyRow]:
    """Re-check, last before the key is used, that signing is not suspended and still wanted."""
    with side.database.read() as connection:
        rows = connection.execute(_TO_SIGN, {"ids": ids}).all()
    if any(row.suspended for row in rows):
        raise Suspended("signing is suspended")
    return rows


def _sign(side: SignerSide, row: AnyRow, begun: Begun) -> bytes:
    """Steps 3 and 4: sign the stored bytes, assemble, compare with request and TBS."""
    issuer = issuer_of(side, row.issuer)
    authority.ensure_usable(row.octets, issuer, side.now(), begun.made)
    certificate = authority.assemble(row.octets, authority.sign(row.octets, issuer))
    authority.verify(certificate, row.octets, begun.csr, begun.profile, issuer)
    return certificate


def issued_details(row: AnyRow, certificate: bytes) -> dict[str, str]:
    """Return what the audit says of a certificate, so that an entry proves which one it is about."""
    return {
        "serial": row.serial,
        "issuer": row.issuer,
        "certificate": sha256(certificate).hexdigest(),
    }


def _store(
    side: SignerSide,
    group: Sequence[Claimed],
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
