"""Many rows by one statement whose text never changes, so that it is compiled and prepared once.

A list in SQL's usual forms, ``IN (?, ?, …)`` and ``VALUES (…), (…), …``, is another statement for every
length: SQLAlchemy, the driver and PostgreSQL would each read it anew. On PostgreSQL ids travel as an
array, and rows as JSON. On SQLite ids travel as JSON; for rows see ``values``.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
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
    LargeBinary,
    String,
    Table,
    TypeDecorator,
    Uuid,
    bindparam,
    column,
    select,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import OperatorType

from pipeline.database import values
from pipeline.database.values import Rows, defaults

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
            return _array(value)
        return msgspec.json.encode(list(value)).decode()


def _array(texts: Iterable[str]) -> str:
    """Return an array as PostgreSQL reads it (its section "Array Input and Output Syntax"), which costs
    a tenth of what the driver takes to write a list."""
    escaped = (one.replace("\\", "\\\\").replace('"', '\\"') for one in texts)
    return "{" + ",".join([f'"{one}"' for one in escaped]) + "}"


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
        written = [(table, *_written(table, rows)) for table, rows in filled]
        statement = _inserting_all(*((table, names) for table, names, _ in written))
        connection.execute(statement, {f"rows_{n}": json for n, (*_, json) in enumerate(written)})


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
    names, written = _written(table, rows)
    parameters, parts = {"rows": written}, []
    for number, (owner, some) in enumerate(further.items()):
        of_part, parameters[f"rows_{number}"] = _written(owner.table, some)
        parts.append((owner, of_part))
    done = connection.execute(_inserting_new(table, names, key, tuple(parts)), parameters)
    return set(done.scalars())


def _written(table: Table, rows: Rows) -> tuple[tuple[str, ...], str]:
    """Return the names of the columns that are given, and the rows as JSON."""
    given = defaults(table)
    names = tuple({**given, **rows[0]})
    filled = ({**given, **row} for row in rows)
    return names, msgspec.json.encode(
        [{name: row[name] for name in names} for row in filled]
    ).decode()


@cache
def _known(key: Column[Any]) -> Executable:
    return select(key).where(among_given(key, "keys"))


@cache
def _inserting_all(*groups: tuple[Table, tuple[str, ...]]) -> Executable:
    """Return the one statement that inserts into all of these tables."""
    *others, last = [
        _from_json(table, names, f"rows_{n}") for n, (table, names) in enumerate(groups)
    ]
    steps = ", ".join(f"part_{n} AS ({one})" for n, one in enumerate(others))
    return text(f"WITH {steps} {last}" if steps else last)


@cache
def _inserting_new(
    table: Table,
    names: tuple[str, ...],
    key: Column[Any],
    parts: tuple[tuple[Column[Any], tuple[str, ...]], ...],
) -> Executable:
    """Return the one statement that inserts what is new and what belongs to it."""
    inserting = _from_json(table, names, "rows")
    steps = [f'fresh AS ({inserting} ON CONFLICT ("{key.name}") DO NOTHING RETURNING "{key.name}")']
    for number, (owner, of_part) in enumerate(parts):
        further = _from_json(owner.table, of_part, f"rows_{number}")
        # "IS TRUE" lets PostgreSQL look each up in a hash instead of joining row by row.
        is_fresh = f'("{owner.name}" IN (SELECT "{key.name}" FROM fresh)) IS TRUE'  # noqa: S608
        steps.append(f"part_{number} AS ({further} WHERE {is_fresh})")
    new = text(f'WITH {", ".join(steps)} SELECT "{key.name}" FROM fresh')  # noqa: S608
    return new.columns(column(key.name, key.type))


def _from_json(table: Table, names: tuple[str, ...], parameter: str) -> str:
    """Return the SQL that inserts the rows of one JSON array. Nothing in it comes from outside: names
    and types are those of our own tables."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    kinds, values = [], []
    for name in names:
        kind = table.c[name].type
        octets = isinstance(kind, LargeBinary)  # which JSON has as base64
        values.append(f"decode(\"{name}\", 'base64')" if octets else f'"{name}"')
        # Not varchar(n): a conversion to it would cut what is too long, where the column refuses it.
        is_text = octets or isinstance(kind, String)
        kinds.append(f'"{name}" {"TEXT" if is_text else kind.compile(dialect)}')
    columns = ", ".join(f'"{name}"' for name in names)
    return (
        f'INSERT INTO "{table.name}" ({columns}) SELECT {", ".join(values)}'  # noqa: S608
        f" FROM json_to_recordset(CAST(:{parameter} AS json)) AS new({', '.join(kinds)})"
    )
