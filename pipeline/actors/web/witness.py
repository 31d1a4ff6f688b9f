"""Keep the signer's checkpoints, as a witness outside its reach; check each against an earlier one.

Nothing is thrown away: a head that contradicts or does not continue another is the evidence itself.
"""

from collections.abc import Sequence

import structlog
from sqlalchemy import ColumnElement, Connection, and_, exists, func, not_, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.actors.web.side import WebSide
from pipeline.crypto import checkpoint
from pipeline.crypto.checkpoint import Signed
from pipeline.crypto.merkle_proof import verify_consistency
from pipeline.crypto.note import NoteRefused, Verifier
from pipeline.messages import CheckpointNotice
from pipeline.web.tables import audit_checkpoints

log = structlog.get_logger(__name__)


def witness(side: WebSide, notices: Sequence[CheckpointNotice]) -> None:
    """Store checkpoints that are not known yet; one that is not signed by its key is left out."""
    for notice in notices:
        try:
            signed = checkpoint.read(notice.note, [Verifier.read(notice.key)])
        except NoteRefused as error:
            log.error("checkpoint-refused", why=str(error))
            continue
        with side.database.write() as connection:
            _store(side, connection, notice, signed)


def _store(side: WebSide, connection: Connection, notice: CheckpointNotice, signed: Signed) -> None:
    ours = audit_checkpoints.c.origin == signed.checkpoint.origin
    known = _roots(connection, ours, audit_checkpoints.c.size == signed.size)
    if signed.root.hex() in known:
        return
    first = not _any(connection)
    extends = notice.extends if _continues(connection, notice, signed) else None
    row = {
        "origin": signed.checkpoint.origin,
        "size": signed.size,
        "root": signed.root.hex(),
        "extends": extends,
        "note": signed.note,
        "key": notice.key,
        "received_at": side.now(),
    }
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    connection.execute(dialect.insert(audit_checkpoints).on_conflict_do_nothing(), row)
    if known:
        log.error("checkpoint-contradicts", size=signed.size, root=signed.root.hex())
    elif extends is None and not first:
        log.warning("checkpoint-unproven", size=signed.size, root=signed.root.hex())
    else:
        log.info("checkpoint-stored", size=signed.size, root=signed.root.hex())


def _continues(connection: Connection, notice: CheckpointNotice, signed: Signed) -> bool:
    """Tell whether it is proved to continue the checkpoint that we heard of last, or the largest one,
    or, when it comes late itself, one that nobody continues yet.

    Messages overtake each other where several workers read them. Whoever else continues an older one
    begins another log there: a signer that was restored, or that wants what it did since to be
    forgotten. Checkpoints may be signed with a former key, under another name: it is the same tree.
    """
    if notice.extends is None:
        return False
    known = audit_checkpoints.c
    heads = [select(func.max(column)).scalar_subquery() for column in (known.id, known.size)]
    newest = or_(known.id == heads[0], known.size == heads[1])
    late = and_(heads[1] > signed.size, not_(exists().where(known.extends == notice.extends)))
    older = _roots(connection, known.size == notice.extends, or_(newest, late))
    return any(
        verify_consistency(
            notice.extends, bytes.fromhex(root), signed.size, signed.root, notice.proof
        )
        for root in older
    )


def _roots(connection: Connection, *conditions: ColumnElement[bool]) -> set[str]:
    return set(connection.scalars(select(audit_checkpoints.c.root).where(*conditions)))


def _any(connection: Connection) -> bool:
    return connection.execute(select(audit_checkpoints.c.id).limit(1)).first() is not None
