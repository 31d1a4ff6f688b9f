"""Many rows by one statement whose text never changes, so that it is compiled and prepared once.

A list in SQL's usual forms, ``IN (?, ?, …)`` and ``VALUES (…), (…), …``, is another statement for every
length: SQLAlchemy, the driver and PostgreSQL would each read it anew. On PostgreSQL ids travel as an
array, and rows as JSON. On SQLite ids travel as JSON, and rows are inserted one by one, which costs
little, since it is in the same process.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import msgspec
from sqlalchemy import (
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
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.schema import ScalarElementColumnDefault
from sqlalchemy.types import TypeEngine

T = TypeVar("T")


class _Texts(TypeDecorator[Sequence[str]]):
    """A list of texts, or of request ids: an array on PostgreSQL, JSON on SQLite."""

    impl = String
    cache_ok = True

    def __init__(self, *, ids: bool) -> None:
        super().__init__()
        self.ids = ids

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type on this database."""
        kind: TypeEngine[Any] = String()
        if dialect.name == "postgresql":
            kind = postgresql.ARRAY(String)
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: Sequence[str] | None, dialect: Dialect) -> Any:
        """Return the list as the database takes it; SQLite keeps ids without hyphens."""
        if value is None or dialect.name == "postgresql":
            return value
        if self.ids:
            value = [one.replace("-", "") for one in value]
        return msgspec.json.encode(value).decode()


class _Among(FunctionElement[bool]):
    type = Boolean()
    inherit_cache = True


def among(which: ColumnElement[Any], values: Iterable[str]) -> ColumnElement[bool]:
    """Return the condition that a column of texts or request ids has one of these values."""
    kind = _Texts(ids=isinstance(which.type, Uuid))
    return _Among(which, bindparam(None, [str(value) for value in values], type_=kind))


@compiles(_Among, "postgresql")
def _by_array(element: _Among, compiler: SQLCompiler, **further: Any) -> str:
    which, values = element.clauses
    cast = "::uuid[]" if isinstance(which.type, Uuid) else ""
    array = compiler.process(values, **further)
    return f"{compiler.process(which, **further)} = ANY ({array}{cast})"


@compiles(_Among)
def _by_json(element: _Among, compiler: SQLCompiler, **further: Any) -> str:
    which, values = element.clauses
    array = f"json_each({compiler.process(values, **further)})"
    return f"{compiler.process(which, **further)} IN (SELECT value FROM {array})"  # noqa: S608


def still(which: ColumnElement[T], value: T) -> ColumnElement[bool]:
    """Return the condition that a column has this value, in a row that is found by its id.

    PostgreSQL uses no index for IS NOT DISTINCT FROM. For an equation it might, and read all rows in
    the same state, of which there are many when many wait.
    """
    return which.is_not_distinct_from(value)


def insert_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, which all give values to the same columns."""
    if rows:
        _insert(connection, table, rows, None)


def insert_new(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], key: Column[Any]
) -> set[Any]:
    """Insert those rows that meet no row with the same key; return the ``key`` of those inserted."""
    if not rows:
        return set()
    return set(_insert(connection, table, rows, key))


def _insert(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    key: Column[Any] | None,
) -> Sequence[Any]:
    if connection.dialect.name == "sqlite":
        statement = sqlite.insert(table)
        if key is None:
            connection.execute(statement, list(rows))
            return ()
        fresh = statement.on_conflict_do_nothing(index_elements=[key]).returning(key)
        return connection.scalars(fresh, list(rows)).all()
    given = _defaults(table)
    names = tuple({**given, **rows[0]})
    filled = ({**given, **row} for row in rows)
    written = msgspec.json.encode([{name: row[name] for name in names} for row in filled]).decode()
    done = connection.execute(_from_json(table, names, key), {"rows": written})
    return () if key is None else done.scalars().all()


@cache
def _defaults(table: Table) -> dict[str, Any]:
    """Return the values that the program gives to columns that are left out."""
    return {
        one.name: one.default.arg
        for one in table.columns
        if isinstance(one.default, ScalarElementColumnDefault)
    }


@cache
def _from_json(table: Table, names: tuple[str, ...], key: Column[Any] | None) -> Executable:
    """Return the statement that inserts the rows of one JSON array."""
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
    # Nothing in it comes from outside: names and types are those of our own tables.
    inserting = (
        f'INSERT INTO "{table.name}" ({columns}) SELECT {", ".join(values)}'  # noqa: S608
        f" FROM json_to_recordset(CAST(:rows AS json)) AS new({', '.join(kinds)})"
    )
    if key is None:
        return text(inserting)
    new = text(f'{inserting} ON CONFLICT ("{key.name}") DO NOTHING RETURNING "{key.name}"')
    return new.columns(column(key.name, key.type))
