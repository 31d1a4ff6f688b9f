"""Leases: which worker works on which rows, without a lock held while it does.

A claim is one committed statement that moves a due row's time ahead. Who dies with a claim loses it
when that time comes; who finishes commits by compare-and-swap, so that a lease that ended too early
costs work but never truth. A row is held for as long as its time is still the one of the claim:
whoever makes it due meanwhile takes it out of the claim.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    Table,
    TextClause,
    UpdateBase,
    and_,
    bindparam,
    case,
    select,
    update,
)

from pipeline.database.engine import Database
from pipeline.database.sets import among, still

Counts = Literal["none", "first", "every"]
"""Which attempts a claim puts on record: those of rows that have none yet, or of every row."""


@dataclass
class Claim:
    """Rows of ``table`` (with their ``id`` at least) that are ours until ``until``, by their column
    ``due``."""

    table: Table
    due: str
    rows: Sequence[Any]
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
    returning: tuple[str, ...] = ("id",),
    counts: Counts = "none",
) -> Claim:
    """Claim at most ``limit`` rows that match ``condition`` and are due in column ``due``.

    ``condition`` is the one of the partial index on ``due``. ``returning`` are columns, as they were
    before the claim; ``counts`` are the attempts that it puts on record itself. On PostgreSQL rows that
    another is claiming at this moment are passed over; SQLite has one writer at a time.
    """
    until = now + lease
    given = {"now_": now, "until_": until, "limit_": limit}
    if connection.dialect.name == "postgresql":
        statement = _claiming(table, due, condition, returning, counts)
        return Claim(table, due, connection.execute(statement, given).all(), until)
    rows = connection.execute(_due(table, due, condition, returning), given).all()
    moved = update(table).values(_values(table, due, counts))
    connection.execute(moved.where(among(table.c.id, [row.id for row in rows])), given)
    return Claim(table, due, rows, until)


@cache
def _claiming(
    table: Table, due: str, condition: TextClause, returning: tuple[str, ...], counts: Counts
) -> UpdateBase:
    # Materialized: else PostgreSQL may run the sub-select once for every row that is due, and each
    # run passes over what the one before has locked, so that the limit would limit nothing.
    chosen = (
        _due(table, due, condition, returning)
        .with_for_update(skip_locked=True)
        .cte("chosen")
        .prefix_with("MATERIALIZED")
    )
    return (
        update(table)
        .where(table.c.id == chosen.c.id)
        .values(_values(table, due, counts))
        .returning(*chosen.c)
    )


@cache
def _due(table: Table, due: str, condition: TextClause, columns: tuple[str, ...]) -> Select[Any]:
    column = table.c[due]
    return (
        select(*(table.c[name] for name in columns))
        .where(condition, column <= bindparam("now_"))
        .order_by(column)
        .limit(bindparam("limit_", type_=Integer))
    )


def _values(table: Table, due: str, counts: Counts) -> dict[str, Any]:
    values: dict[str, Any] = {due: bindparam("until_", type_=table.c[due].type)}
    if counts == "every":
        values["attempts"] = table.c.attempts + 1
    elif counts == "first":
        values["attempts"] = case((table.c.attempts == 0, 1), else_=table.c.attempts)
    return values


def is_due(database: Database, claimed: Claim, condition: TextClause, now: datetime) -> bool:
    """Say whether there is more to claim, which whoever has claimed all that it may should look for: to
    wake another for nothing costs more."""
    with database.read() as connection:
        statement = _due(claimed.table, claimed.due, condition, ("id",))
        return connection.execute(statement, {"now_": now, "limit_": 1}).first() is not None


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
