"""Leases: which worker works on which rows, without a lock held while it does.

A claim is one committed statement that moves a due row's time ahead. Who dies with a claim loses it
when that time comes; who finishes commits by compare-and-swap, so that a lease that ended too early
costs work but never truth. A row is held for as long as its time is still the one of the claim:
whoever makes it due meanwhile takes it out of the claim.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, TextClause, and_, select, update

from pipeline.database.engine import AnyRow, Database
from pipeline.database.sets import among, still


@dataclass
class Claim:
    """Rows of ``table`` that are ours until ``until``, by their column ``due``."""

    table: Table
    due: str
    rows: Sequence[AnyRow]
    until: datetime

    @property
    def ids(self) -> list[str]:
        """The ids of the rows."""
        return [row.id for row in self.rows]

    @property
    def lasts(self) -> ColumnElement[bool]:
        """The condition that one of the rows, which are found by their ids, is still ours."""
        return still(self.table.c[self.due], self.until)

    def holds(self, ids: Iterable[str]) -> ColumnElement[bool]:
        """Return the condition for those of the rows that are still ours."""
        return and_(among(self.table.c.id, ids), self.lasts)

    def extend(self, database: Database, until: datetime) -> None:
        """Keep the claim, in a transaction of its own: its work takes longer than was thought."""
        held = self.holds(self.ids)
        with database.write() as connection:
            connection.execute(update(self.table).where(held).values({self.due: until}))
        self.until = until


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
) -> Claim:
    """Claim at most ``limit`` rows that match ``condition`` and are due in column ``due``.

    ``condition`` is the one of the partial index on ``due``. ``values`` are set in the same
    statement. On PostgreSQL rows that another is claiming at this moment are passed over; SQLite
    has one writer at a time.
    """
    column = table.c[due]
    # Materialized: else PostgreSQL may run the sub-select once for every row that is due, and each
    # run passes over what the one before has locked, so that the limit would limit nothing.
    chosen = (
        select(table.c.id)
        .where(condition, column <= now)
        .order_by(column)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("chosen")
        .prefix_with("MATERIALIZED")
    )
    until = now + lease
    statement = (
        update(table)
        .where(table.c.id == chosen.c.id)
        .values({due: until, **values})
        .returning(*(table.c[name] for name in returning))
    )
    return Claim(table, due, connection.execute(statement).all(), until)


def pull_back(
    connection: Connection,
    table: Table,
    due: str,
    condition: TextClause,
    *,
    now: datetime,
    farthest: timedelta,
) -> int:
    """Make due what lies farther ahead than any lease or interval: a clock was wrong when it was
    set. Return how many rows that was."""
    column = table.c[due]
    statement = update(table).where(condition, column > now + farthest).values({due: now})
    return connection.execute(statement).rowcount
