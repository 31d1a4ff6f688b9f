"""The one function that changes a request's state.

By compare-and-swap along the side's table of transitions, with the audit entry in the same
transaction: no audit entry, no action. Rows that make the same move go in one statement.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, bindparam, update
from sqlalchemy.sql.dml import ReturningUpdate

from pipeline.database.sets import (
    Belonging,
    among_given,
    insert_all,
    insert_new,
    insert_rows,
    still,
)
from pipeline.states import State, Transitions


@dataclass(frozen=True, slots=True)
class Ledger:
    """A side's tables of requests and audit, and its table of transitions."""

    requests: Table
    audit: Table
    transitions: Transitions


@dataclass(frozen=True, slots=True)
class Move:
    """One state change that is wanted.

    ``source`` and ``revision`` are what was read and must still stand; ``to_revision`` is
    ``revision + 1`` unless given. ``values`` are further columns of the row, ``details`` go into
    the audit entry.
    """

    request_id: str
    source: State
    target: State
    revision: int
    to_revision: int | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def new_revision(self) -> int:
        """The revision that the row has afterwards."""
        return self.revision + 1 if self.to_revision is None else self.to_revision


class ForbiddenTransition(AssertionError):
    """The program tried a state change that the table of transitions does not have: a defect."""


def advance(
    connection: Connection,
    ledger: Ledger,
    maker: str,
    moves: Iterable[Move],
    now: datetime,
    held: ColumnElement[bool] | None = None,
    belonging: Belonging | None = None,
) -> set[str]:
    """Make those moves whose rows still are as they were read; return the ids of the rows moved.

    The rest was moved by somebody else meanwhile, which is normal. ``held`` is a further condition
    that rows must meet: that of a claim, without their ids. With each row that is moved, what belongs
    to it is inserted into other tables.

    Raises:
        ForbiddenTransition: ``maker`` may not make such a move.
    """
    groups: defaultdict[tuple[Any, ...], list[Move]] = defaultdict(list)
    for move in moves:
        _check(ledger, move.source, move.target, maker)
        values = tuple(sorted(move.values.items(), key=lambda item: item[0]))
        groups[move.source, move.target, move.revision, move.new_revision, values].append(move)
    moved: set[str] = set()
    entries = []
    for (source, target, revision, new_revision, values), group in groups.items():
        statement = _moving(ledger.requests, tuple(name for name, _ in values))
        given = {
            "ids_": [move.request_id for move in group],
            "source_": source,
            "revision_": revision,
            "new_state": target,
            "new_revision": new_revision,
            "new_changed_at": now,
            **{f"new_{name}": value for name, value in values},
        }
        if held is not None:
            statement = statement.where(held)
        done = set(connection.scalars(statement, given))
        moved |= done
        entries += [
            _entry(maker, move.request_id, source, target, new_revision, move.details, now)
            for move in group
            if move.request_id in done
        ]
    further = {ledger.audit.c.request_id: entries, **(belonging or {})}
    insert_all(
        connection,
        (
            (owner.table, [row for row in rows if row[owner.name] in moved])
            for owner, rows in further.items()
        ),
    )
    return moved


@cache
def _moving(table: Table, names: tuple[str, ...]) -> ReturningUpdate[tuple[Any]]:
    """Return the statement that moves rows and sets these further columns."""
    changed = ("state", "revision", "changed_at", *names)
    return (
        update(table)
        .where(
            among_given(table.c.id, "ids_"),
            still(table.c.state, bindparam("source_", type_=table.c.state.type)),
            still(table.c.revision, bindparam("revision_", type_=table.c.revision.type)),
        )
        .values({name: bindparam(f"new_{name}", type_=table.c[name].type) for name in changed})
        .returning(table.c.id)
    )


def admit(
    connection: Connection,
    ledger: Ledger,
    maker: str,
    rows: Iterable[Mapping[str, Any]],
    now: datetime,
    belonging: Belonging | None = None,
) -> set[str]:
    """Insert requests that are not known yet, with what belongs to them in other tables; return the
    ids of those inserted.

    Each row holds at least ``id``, ``state`` and ``revision``, and ``created_at`` when that is not
    ``now``. A row whose id exists is left alone.
    """
    wanted = [
        {"reason": "", "attempts": 0, "created_at": now, "changed_at": now, **row} for row in rows
    ]
    if not wanted:
        return set()
    for row in wanted:
        _check(ledger, None, row["state"], maker)
    entries = [
        _entry(maker, row["id"], None, row["state"], row["revision"], {}, row["created_at"])
        for row in wanted
    ]
    further = {ledger.audit.c.request_id: entries, **(belonging or {})}
    return insert_new(connection, ledger.requests, wanted, ledger.requests.c.id, further)


def record(
    connection: Connection,
    audit: Table,
    event: str,
    details: Mapping[str, Any],
    now: datetime,
    request_id: str | None = None,
) -> None:
    """Write an audit entry for something that is no state change."""
    entry = {"at": now, "event": event, "request_id": request_id, "details": dict(details)}
    insert_rows(connection, audit, [entry])


def _check(ledger: Ledger, source: State | None, target: State, maker: str) -> None:
    if maker not in ledger.transitions.get((source, target), frozenset()):
        raise ForbiddenTransition(f"{maker} may not move a request from {source} to {target}")


def _entry(
    maker: str,
    request_id: str,
    source: State | None,
    target: State,
    revision: int,
    details: Mapping[str, Any],
    now: datetime,
) -> dict[str, Any]:
    change = _change(maker, source, target, revision)
    return {
        "at": now,
        "event": "state-changed",
        "request_id": request_id,
        "details": {**change, **details} if details else change,
    }


@lru_cache
def _change(maker: str, source: State | None, target: State, revision: int) -> Mapping[str, Any]:
    """Return one and the same object for all that change alike, so that it is written once."""
    return {"by": maker, "from": source, "to": target, "revision": revision}
