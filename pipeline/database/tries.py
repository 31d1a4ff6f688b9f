"""Count attempts at what may have killed the worker that had it in hand.

Stages that work on a message's items, and have no row on which to count, count here: only what came
on a message that the broker delivered again, or is known from one, and before the attempt, in a
transaction of its own. Such items are worked on alone; after too many attempts they are given up.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from functools import cache
from typing import Final

from sqlalchemy import (
    Column,
    Connection,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    case,
    delete,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.clock import Clock
from pipeline.database.columns import UtcDateTime
from pipeline.database.engine import Database
from pipeline.database.sets import among, among_given

FORGIVEN_AFTER: Final = timedelta(days=1)
"""After so long an item is tried anew: the program may have been mended meanwhile."""


def tries_table(metadata: MetaData) -> Table:
    """Return the table ``tries``; ``item`` is an id that no other stage counts by."""
    return Table(
        "tries",
        metadata,
        Column("item", String(64), primary_key=True),
        Column("attempts", Integer, nullable=False),
        Column("begun_at", UtcDateTime, nullable=False),
    )


class Tries:
    """The attempts of one side; ``most`` are made at an item.

    ``begun`` are those that this process has on record and survives: they are not counted again
    while it waits for something that is out of reach.
    """

    def __init__(
        self, database: Database, table: Table, clock: Clock, most: int, begun: dict[str, int]
    ) -> None:
        self.most = most
        self._begun = begun
        self._database = database
        self._table = table
        self._clock = clock

    def suspects(self, items: Iterable[str], *, redelivered: bool) -> set[str]:
        """Return those items of one message that may have killed a worker."""
        found = set(items)
        if redelivered or not found:
            return found
        with self._database.read() as connection:
            return set(connection.scalars(_counted(self._table), {"items": found}))

    def begin(self, item: str) -> bool:
        """Put an attempt on record; return False when there were too many before."""
        attempts = self._attempt(item)
        if attempts > self.most:  # not remembered: when it comes again it may have been forgiven
            self._begun.pop(item, None)
        return attempts <= self.most

    def died_of(self, item: str) -> bool:
        """Put an attempt on record; return whether one before did not come to its end."""
        return self._attempt(item) > 1

    def forget(self, items: Collection[str]) -> None:
        """Clear items: they were worked on to the end, or are given up for good."""
        if not items:
            return
        with self._database.write() as connection:
            connection.execute(delete(self._table).where(among(self._table.c.item, items)))
        for one in items:
            self._begun.pop(one, None)

    def _attempt(self, item: str) -> int:
        if item not in self._begun:
            self._begun[item] = self._count(item)
        return self._begun[item]

    @staticmethod
    def tidy(connection: Connection, table: Table, before: datetime) -> None:
        """Delete attempts begun before a time: what still comes is tried more often than that."""
        connection.execute(delete(table).where(table.c.begun_at < before))

    def _count(self, item: str) -> int:
        table, now = self._table, self._clock()
        dialect = sqlite if self._database.dialect == "sqlite" else postgresql
        statement = dialect.insert(table).values(item=item, attempts=1, begun_at=now)
        # What was given up and comes again and again is forgiven all the same, a day after that.
        begun_at = case((table.c.attempts <= self.most, now), else_=table.c.begun_at)
        again = {"attempts": table.c.attempts + 1, "begun_at": begun_at}
        with self._database.write() as connection:
            forgiven = table.c.begun_at < now - FORGIVEN_AFTER
            connection.execute(delete(table).where(table.c.item == item, forgiven))
            attempts: int = connection.execute(
                statement.on_conflict_do_update(
                    index_elements=[table.c.item], set_=again
                ).returning(table.c.attempts)
            ).scalar_one()
        return attempts


@cache
def _counted(table: Table) -> Select[tuple[str]]:
    return select(table.c.item).where(among_given(table.c.item, "items"))
