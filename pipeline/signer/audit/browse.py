"""Find entries of the audit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from pipeline.database.engine import AnyRow, Database
from pipeline.signer.tables import audit, tree


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries are wanted; what is None or empty excludes nothing."""

    request_id: str | None = None
    events: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None


def entries(database: Database, wanted: Wanted, limit: int) -> Sequence[AnyRow]:
    """Return the newest ``limit`` entries that are wanted, the newest last, with their leaf numbers."""
    query = select(audit, tree.leaves.c.leaf).join_from(
        audit, tree.leaves, tree.leaves.c.entry == audit.c.id, isouter=True
    )
    if wanted.request_id is not None:
        query = query.where(audit.c.request_id == wanted.request_id)
    if wanted.events:
        query = query.where(audit.c.event.in_(wanted.events))
    if wanted.since is not None:
        query = query.where(audit.c.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(audit.c.at < wanted.until)
    with database.read() as connection:
        return connection.execute(query.order_by(audit.c.id.desc()).limit(limit)).all()[::-1]
