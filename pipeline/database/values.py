"""Rows into a table of SQLite, many by one statement: ``VALUES (…), (…), …``.

The driver gives the interpreter's lock away at each step of a statement, and then waits for it with all
other threads, while it keeps the database locked. With a statement for each row that would be for each
row; whatever SQLAlchemy does for each row would come on top.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, Final

from sqlalchemy import Connection, Dialect, Table
from sqlalchemy.sql.schema import ScalarElementColumnDefault
from sqlalchemy.types import TypeEngine

from pipeline.database.columns import UtcDateTime

Rows = Sequence[Mapping[str, Any]]
"""Values by the names of columns; all rows of one table name the same columns."""

MOST: Final = 10_000
"""Values in one statement. SQLite takes 32,766."""


def insert(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert rows into a table of SQLite."""
    given = defaults(table)
    names = tuple({**given, **rows[0]})
    statement, places, writers = _prepared(table, names, connection.dialect)
    most = MOST // len(names)
    for first in range(0, len(rows), most):
        some = rows[first : first + most]
        values = []
        for row in some:
            whole = {**given, **row}
            values += [write(whole[name]) if write else whole[name] for name, write in writers]
        connection.exec_driver_sql(statement + ", ".join([places] * len(some)), tuple(values))


_Write = Callable[[Any], Any] | None
"""What makes a value ready to be bound."""


@lru_cache
def _prepared(
    table: Table, names: tuple[str, ...], dialect: Dialect
) -> tuple[str, str, list[tuple[str, _Write]]]:
    """Return the beginning of a statement, the places of one row's values, and how to write each."""
    columns = ", ".join(f'"{name}"' for name in names)
    # Nothing in the text comes from outside: names are those of our own tables.
    statement = f'INSERT INTO "{table.name}" ({columns}) VALUES '  # noqa: S608
    places = f"({', '.join('?' * len(names))})"
    return statement, places, [(name, _write(table.c[name].type, dialect)) for name in names]


def _write(kind: TypeEngine[Any], dialect: Dialect) -> _Write:
    """Rows that are written together have times in common, and to write one costs as much as to
    insert a row: so the last ones are kept."""
    write = kind.dialect_impl(dialect).bind_processor(dialect)
    return lru_cache(4)(write) if write and isinstance(kind, UtcDateTime) else write


@cache
def defaults(table: Table) -> dict[str, Any]:
    """Return the values that the program gives to columns that are left out."""
    return {
        one.name: one.default.arg
        for one in table.columns
        if isinstance(one.default, ScalarElementColumnDefault)
    }
