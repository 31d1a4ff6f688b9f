"""How many requests each limited rule let through in this hour or day: counted in the database.

All workers share the counts. Whoever counts holds the rows until its transaction ends, so that no two
let the same last one through; a batch costs one statement, however many requests are in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, delete, update
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.signer.limits import Limit
from pipeline.signer.tables import rule_counts

KEPT: Final = timedelta(days=8)
"""For how long a count is kept after its period began."""


@dataclass(frozen=True, slots=True)
class Full:
    """A limit that was reached, and when it begins to count anew."""

    limit: Limit
    free_at: datetime


@dataclass(frozen=True, slots=True)
class Room:
    """How many of those that came are let through, and what the others met, if there are any."""

    allowed: int
    full: Full | None = None


def take(
    connection: Connection, wanted: Mapping[str, tuple[tuple[Limit, ...], int]], now: datetime
) -> dict[str, Room]:
    """Count requests, given by rule with its limits and how many they are; return the room for each.

    What is not let through is not counted.
    """
    rows = [
        {"rule": rule, "period": limit.period, "begins_at": limit.begins(now), "count": count}
        for rule, (limits, count) in sorted(wanted.items())
        for limit in sorted(limits, key=lambda limit: limit.period)
    ]
    if not rows:
        return {}
    counts = _add(connection, rows)
    rooms = {
        rule: _room(count, limits, {limit: counts[rule, limit.period] for limit in limits}, now)
        for rule, (limits, count) in wanted.items()
    }
    unused = {
        rule: (limits, count - rooms[rule].allowed) for rule, (limits, count) in wanted.items()
    }
    give_back(connection, unused, now)
    return rooms


def give_back(
    connection: Connection, unused: Mapping[str, tuple[tuple[Limit, ...], int]], now: datetime
) -> None:
    """Take from the counts what was counted in this transaction and came to nothing."""
    for rule, (limits, count) in sorted(unused.items()):
        for limit in limits if count else ():
            connection.execute(
                update(rule_counts)
                .where(
                    rule_counts.c.rule == rule,
                    rule_counts.c.period == limit.period,
                    rule_counts.c.begins_at == limit.begins(now),
                )
                .values(count=rule_counts.c.count - count)
            )


def forget(connection: Connection, now: datetime) -> None:
    """Remove the counts of periods that are long over."""
    connection.execute(delete(rule_counts).where(rule_counts.c.begins_at < now - KEPT))


def _add(connection: Connection, rows: list[dict[str, object]]) -> dict[tuple[str, str], int]:
    """Add to the counts, in one order for everybody; return them as they stand then."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(rule_counts).values(rows)
    key = (rule_counts.c.rule, rule_counts.c.period, rule_counts.c.begins_at)
    added = {"count": rule_counts.c.count + statement.excluded.count}
    found = connection.execute(
        statement.on_conflict_do_update(index_elements=key, set_=added).returning(
            rule_counts.c.rule, rule_counts.c.period, rule_counts.c.count
        )
    )
    return {(row[0], row[1]): row[2] for row in found}


def _room(
    count: int, limits: tuple[Limit, ...], counts: Mapping[Limit, int], now: datetime
) -> Room:
    left = {limit: max(0, limit.most - (counts[limit] - count)) for limit in limits}
    allowed = min(count, *left.values())
    if allowed == count:
        return Room(count)
    # Of several that are full, the one that is free last is what a requester has to wait for.
    full = max((limit for limit in limits if left[limit] == allowed), key=lambda one: one.ends(now))
    return Room(allowed, Full(full, full.ends(now)))
