"""Many rows by one statement whose text does not depend on how many: it is compiled and prepared once.

A list in SQL's usual forms, ``IN (?, ?, …)`` and ``VALUES (…), (…), …``, is another statement for every
length: SQLAlchemy, the driver and PostgreSQL would each read it anew. On PostgreSQL ids travel as an
array; on SQLite as JSON. For rows see ``arrays`` (PostgreSQL) and ``values`` (SQLite).
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, Self, TypeVar

import msgspec
from sqlalchemy import (
    BindParameter,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Executable,
    String,
    Table,
    TypeDecorator,
    Uuid,
    bindparam,
    column,
    select,
    text,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import OperatorType

from pipeline.database import arrays, values
from pipeline.database.values import Rows

T = TypeVar("T")


class _Texts(TypeDecorator[Sequence[str]]):
    """A list of texts, or of request ids, as one text: an array on PostgreSQL, JSON on SQLite."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Iterable[str] | None, dialect: Dialect) -> str | None:
        """Return the list as the database takes it."""
        if value is None:
            return None
        if dialect.name == "postgresql":
            return arrays.array(list(value))
        return msgspec.json.encode(list(value)).decode()


class _Among(FunctionElement[bool]):
    type = Boolean()
    inherit_cache = True

    def self_group(self, against: OperatorType | None = None) -> Self:
        """Return it as it is: SQLite, which has no booleans, would be asked whether it equals 1, and
        then find no index for it."""
        return self


def among(which: ColumnElement[Any], values: Iterable[str]) -> ColumnElement[bool]:
    """Return the condition that a column of texts or request ids has one of these values."""
    return _Among(which, bindparam(None, [str(value) for value in values], type_=_Texts))


def among_given(which: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Return the same condition for a statement that is built once: it is executed with the values as
    its parameter ``name``."""
    return _Among(which, bindparam(name, type_=_Texts))


@compiles(_Among, "postgresql")
def _by_array(element: _Among, compiler: SQLCompiler, **further: Any) -> str:
    which, values = element.clauses
    kind = "uuid" if isinstance(which.type, Uuid) else "varchar"
    array = f"CAST({compiler.process(values, **further)} AS {kind}[])"
    return f"{compiler.process(which, **further)} = ANY ({array})"


@compiles(_Among)
def _by_json(element: _Among, compiler: SQLCompiler, **further: Any) -> str:
    which, values = element.clauses
    array = f"json_each({compiler.process(values, **further)})"
    return f"{compiler.process(which, **further)} IN (SELECT value FROM {array})"  # noqa: S608


def still(which: ColumnElement[T], value: T | BindParameter[T]) -> ColumnElement[bool]:
    """Return the condition that a column has this value, in a row that is found by its id.

    PostgreSQL uses no index for IS NOT DISTINCT FROM. For an equation it might, and read all rows in
    the same state, of which there are many when many wait.
    """
    return which.is_not_distinct_from(value)


def insert_rows(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert rows, which all give values to the same columns."""
    insert_all(connection, [(table, rows)])


def insert_all(connection: Connection, groups: Iterable[tuple[Table, Rows]]) -> None:
    """Insert rows into several tables, in this order; on PostgreSQL by one statement."""
    filled = [(table, rows) for table, rows in groups if rows]
    if connection.dialect.name == "sqlite":
        for table, rows in filled:
            values.insert(connection, table, rows)
    elif filled:
        parts: list[str] = []
        parameters: dict[str, str | bytes | None] = {}
        for number, (table, rows) in enumerate(filled):
            part = arrays.insertion(table, rows, f"t{number}_")
            parts.append(part.sql)
            parameters |= part.parameters
        connection.execute(_inserting_all(tuple(parts)), parameters)


Belonging = Mapping[Column[Any], Rows]
"""Rows of other tables, by the column that names the row which they belong to."""


def insert_new(
    connection: Connection,
    table: Table,
    rows: Rows,
    key: Column[Any],
    belonging: Belonging | None = None,
) -> set[Any]:
    """Insert those rows that meet no row with the same key, and with each what belongs to it; return
    the ``key`` of those inserted."""
    if not rows:
        return set()
    further = {owner: some for owner, some in (belonging or {}).items() if some}
    if connection.dialect.name == "sqlite":
        by_key: dict[Any, Mapping[str, Any]] = {}
        for row in rows:
            by_key.setdefault(row[key.name], row)
        # Nobody else writes now: what is not known yet stays so.
        known = set(connection.scalars(_known(key), {"keys": list(by_key)}))
        fresh = {one: row for one, row in by_key.items() if one not in known}
        own = [
            (owner.table, [row for row in some if row[owner.name] in fresh])
            for owner, some in further.items()
        ]
        insert_all(connection, [(table, list(fresh.values())), *own])
        return set(fresh)
    first = arrays.insertion(table, rows, "new_")
    parts, parameters = [], first.parameters
    for number, (owner, some) in enumerate(further.items()):
        part = arrays.insertion(owner.table, some, f"t{number}_")
        parts.append((part.sql, owner.name))
        parameters |= part.parameters
    return set(connection.scalars(_inserting_new(first.sql, key, tuple(parts)), parameters))


@cache
def _known(key: Column[Any]) -> Executable:
    return select(key).where(among_given(key, "keys"))


@lru_cache(arrays.TEXTS)
def _inserting_all(parts: tuple[str, ...]) -> Executable:
    """Return the one statement that inserts into several tables."""
    *others, last = parts
    steps = ", ".join(f"part_{number} AS ({one})" for number, one in enumerate(others))
    return text(f"WITH {steps} {last}" if steps else last)


@lru_cache(arrays.TEXTS)
def _inserting_new(
    inserting: str, key: Column[Any], parts: tuple[tuple[str, str], ...]
) -> Executable:
    """Return the one statement that inserts what is new and what belongs to it. ``parts`` are the
    statements that would insert the latter, each with the name of the column that says to what."""
    steps = [f'fresh AS ({inserting} ON CONFLICT ("{key.name}") DO NOTHING RETURNING "{key.name}")']
    for number, (part, owner) in enumerate(parts):
        # "IS TRUE" lets PostgreSQL look each up in a hash instead of joining row by row.
        is_fresh = f'("{owner}" IN (SELECT "{key.name}" FROM fresh)) IS TRUE'  # noqa: S608
        steps.append(f"part_{number} AS ({part} WHERE {is_fresh})")
    new = text(f'WITH {", ".join(steps)} SELECT "{key.name}" FROM fresh')  # noqa: S608
    return new.columns(column(key.name, key.type))
