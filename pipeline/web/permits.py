"""Count what each address and each requester does in a minute, across all processes.

A process takes a handful of permits at a time from the count in the database, and then hands them
out by itself. So however many requests come, a subject costs each process about a hundred short
writes a minute at most, and none once its limit is reached.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import Connection, case, delete, or_, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from pipeline.clock import Clock
from pipeline.database.engine import Database
from pipeline.database.reach import is_out_of_reach
from pipeline.web.aside import aside
from pipeline.web.tables import rates

log = structlog.get_logger(__name__)

MINUTE: Final = 60

HANDFULS: Final = 100
"""A handful is this part of a limit: what a process takes and does not use is lost to the others,
and is never more than this."""

REMEMBERED: Final = 10_000
"""Subjects that one process remembers. One that it forgets costs another write."""


@dataclass(slots=True)
class _Share:
    """What a process has of a subject's permits in one minute."""

    minute: int
    left: int = 0
    drawn: int = 0
    exhausted: bool = False


class Permits:
    """Permits of one process; safe to be used by many threads."""

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now
        self._shares: OrderedDict[str, _Share] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, subject: str, limit: int, count: int = 1) -> bool:
        """Take ``count`` of the ``limit`` permits that a subject has in a minute.

        Returns False, and takes none, when there are not so many left. While the database cannot be
        reached each process counts by itself.
        """
        minute = _minute(self._now())
        with self._lock:
            share = self._share(subject, minute)
            if share.left >= count:
                share.left -= count
                return True
            if share.exhausted:
                return False
            wanted = max(count - share.left, limit // HANDFULS)
        granted, exhausted = aside(lambda: self._draw(subject, minute, limit, wanted))
        with self._lock:
            share = self._share(subject, minute)
            share.left += granted
            share.drawn += granted
            if exhausted and not share.exhausted:
                share.exhausted = True
                log.warning("rate-limit-reached", subject=subject, limit=limit)
            if share.left < count:
                return False
            share.left -= count
            return True

    def seconds_left(self) -> int:
        """Return after how many seconds there are new permits."""
        return MINUTE - int(self._now().timestamp()) % MINUTE

    def _share(self, subject: str, minute: int) -> _Share:
        found = self._shares.get(subject)
        if found is None or found.minute != minute:
            found = self._shares[subject] = _Share(minute)
        self._shares.move_to_end(subject)
        if len(self._shares) > REMEMBERED:
            self._shares.popitem(last=False)
        return found

    def _draw(self, subject: str, minute: int, limit: int, wanted: int) -> tuple[int, bool]:
        """Return how many were granted, and whether that were the last ones."""
        try:
            with self._database.write() as connection:
                taken = _add(connection, subject, minute, wanted)
        except SQLAlchemyError as error:
            if not is_out_of_reach(error):
                raise
            log.warning("rate-limits-not-shared", error=type(error).__name__)
            with self._lock:
                taken = self._share(subject, minute).drawn + wanted
        return max(0, min(wanted, limit - (taken - wanted))), taken >= limit


def forget(connection: Connection, now: datetime) -> None:
    """Delete the counts of other minutes; those of a process whose clock is off a little stay."""
    minute = _minute(now)
    connection.execute(
        delete(rates).where(or_(rates.c.minute < minute - 1, rates.c.minute > minute + 1))
    )


def _minute(now: datetime) -> int:
    return int(now.timestamp()) // MINUTE


def _add(connection: Connection, subject: str, minute: int, count: int) -> int:
    """Add to a subject's count; return it."""
    if connection.dialect.name == "postgresql":
        # A crash may forget the counts of its last moment; nobody has to wait for the disk.
        connection.execute(text("SET LOCAL synchronous_commit = off"))
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    # A process whose clock is a little behind counts for the minute that another one has begun.
    same = rates.c.minute >= minute
    added = insert(rates).values(subject=subject, minute=minute, taken=count)
    upsert = added.on_conflict_do_update(
        index_elements=[rates.c.subject],
        set_={
            "minute": case((same, rates.c.minute), else_=minute),
            "taken": case((same, rates.c.taken + count), else_=count),
        },
    )
    return int(connection.execute(upsert.returning(rates.c.taken)).scalar_one())
