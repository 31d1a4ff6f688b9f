"""Heads of the signer's audit, as the signer signed them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from pipeline.web.tables import audit_checkpoints


@dataclass(frozen=True, slots=True)
class Known:
    """A checkpoint that we were told. ``extends`` is the size of the one it is proved to continue."""

    origin: str
    size: int
    root: str
    extends: int | None
    note: str
    key: str
    received_at: datetime


def newest(connection: Connection, limit: int) -> Sequence[Known]:
    """Return the checkpoints heard of last, the newest first."""
    table = audit_checkpoints
    columns = [table.c[name] for name in Known.__dataclass_fields__]
    query = select(*columns).order_by(table.c.id.desc()).limit(limit)
    return [Known(*row) for row in connection.execute(query)]
