"""Leases: which worker works on which rows, without a lock held while it does.

A claim is one committed statement that moves a due row's time ahead. Who dies with a claim loses it
when that time comes; who finishes commits by compare-and-swap, so that a lease that ended too early
costs work but never truth.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, TextClause, select, update

from pipeline.database.engine import AnyRow


def claim(
    connection: Connection,
    table: Table,
    due: str,
    condition: TextClause,
    *,
    now: datetime,
    lease: timedelta,
    limit: int,
    returning: Iterable[str] = ("id",),
    **values: Any,
) -> list[AnyRow]:
    """Claim at most ``limit`` rows that match ``condition`` and are due in column ``due``.

    ``condition`` is the one of the partial index on ``due``.

    ``values`` are set in the same statement (``attempts``, for example). On PostgreSQL rows that
    another is claiming at this moment are passed over; SQLite has one writer at a time.
    """
    column = table.c[due]
    chosen = (
        select(table.c.id)
        .where(condition, column <= now)
        .order_by(column)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    statement = (
        update(table)
        .where(table.c.id.in_(chosen), condition, column <= now)
        .values({due: now + lease, **values})
        .returning(*(table.c[name] for name in returning))
    )
    return list(connection.execute(statement).all())


def extend(
    connection: Connection, table: Table, due: str, ids: Iterable[str], until: datetime
) -> None:
    """Keep a claim while its work waits for something that is out of reach."""
    connection.execute(update(table).where(table.c.id.in_(list(ids))).values({due: until}))
