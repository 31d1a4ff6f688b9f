"""Rows into a table of PostgreSQL, many by one statement: an array for each column.

What is the same in all rows is sent, and read by the server, once. A batch has much of that: when
it is, what its requests become, by which profile and rule. Octets, which an array has only as text in
hexadecimal, go as one piece, of which each row takes its part.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache, lru_cache, partial
from itertools import accumulate
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import JSON, LargeBinary, String, Table, Uuid
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from pipeline.database.columns import UtcDateTime
from pipeline.database.values import Rows, defaults

FEW: Final = 8
"""Rows. What fewer ones have in common is often chance, and each choice of columns is another
statement, to be planned and kept."""

TEXTS: Final = 500
"""Statements that are kept, as many as SQLAlchemy keeps compiled ones."""

_DIALECT: Final = postgresql.dialect()  # type: ignore[no-untyped-call]


class Insertion(NamedTuple):
    """A statement that inserts rows, to which more may be added, and its parameters."""

    sql: str
    parameters: dict[str, str | bytes | None]


def insertion(table: Table, rows: Rows, prefix: str) -> Insertion:
    """Return how to insert rows, of which there is one at least. The names of all parameters begin
    with ``prefix``."""
    left_out = {name: one for name, one in defaults(table).items() if name not in rows[0]}
    if left_out:
        rows = [{**left_out, **row} for row in rows]
    names, count = tuple(rows[0]), len(rows)
    parameters: dict[str, str | bytes | None] = {}
    same: dict[str, str | None] = {}
    for name, write in _columns(table, names):
        values = [row[name] for row in rows]
        if write is None:
            parameters |= _pieces(prefix + name, values)
            continue
        texts = write(values)
        if count >= FEW and texts.count(texts[0]) == count:
            same[name] = texts[0]
        else:
            parameters[prefix + name] = array(texts)
    if not parameters:  # something has to say how many rows there are
        name, text = same.popitem()
        parameters[prefix + name] = array([text] * count)
    parameters |= {prefix + name: text for name, text in same.items()}
    return Insertion(_sql(table, names, tuple(same), prefix), parameters)


def array(texts: Sequence[str | None]) -> str:
    """Return an array as PostgreSQL reads it (its section "Array Input and Output Syntax"), which costs
    a tenth of what the driver takes to write a list."""
    if texts and None not in texts:
        # All at once, with a character between them that is in no text.
        whole = "\0".join([text or "" for text in texts])
        if whole.count("\0") == len(texts) - 1:
            return '{"' + _escaped(whole).replace("\0", '","') + '"}'
    quoted = ("NULL" if text is None else f'"{_escaped(text)}"' for text in texts)
    return "{" + ",".join(quoted) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _pieces(parameter: str, values: Sequence[bytes | None]) -> Mapping[str, str | bytes]:
    """Return all octets in one piece, where in it those of each row begin, and how many they are."""
    sizes = [0 if value is None else len(value) for value in values]
    begin = accumulate(sizes, initial=1)  # as SQL counts
    places = [
        None if value is None else str(place) for value, place in zip(values, begin, strict=False)
    ]
    return {
        parameter: b"".join([value for value in values if value is not None]),
        f"{parameter}_at": array(places),
        f"{parameter}_size": array([str(size) for size in sizes]),
    }


Write = Callable[[Sequence[Any]], Sequence[str | None]]
"""What makes texts of a column's values."""


@cache
def _columns(table: Table, names: tuple[str, ...]) -> list[tuple[str, Write | None]]:
    """Return how to write the values of each column; None for octets."""
    return [(name, _write(table.c[name].type)) for name in names]


def _write(kind: TypeEngine[Any]) -> Write | None:
    if isinstance(kind, LargeBinary):
        return None
    if isinstance(kind, String | Uuid):
        return lambda texts: texts
    if isinstance(kind, JSON):
        return partial(_written, _json)
    return partial(_written, _moment if isinstance(kind, UtcDateTime) else str)


def _written(write: Callable[[Any], str], values: Sequence[Any]) -> Sequence[str | None]:
    """Write each object once: often it is the same one again and again."""
    objects = {id(value): value for value in values}
    texts = {key: None if one is None else write(one) for key, one in objects.items()}
    return [texts[id(value)] for value in values]


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _moment(value: datetime) -> str:
    if value.tzinfo is None:
        raise ValueError("times are aware")
    return value.isoformat()


@lru_cache(TEXTS)
def _sql(table: Table, names: tuple[str, ...], same: tuple[str, ...], prefix: str) -> str:
    """Return the statement's text. Nothing in it comes from outside: names and types are those of our
    own tables."""
    values, arrays, columns = [], [], []
    for name in names:
        kind, parameter = _kind(table, name), f":{prefix}{name}"
        if name in same:
            values.append(f"CAST({parameter} AS {kind})")
        elif isinstance(table.c[name].type, LargeBinary):
            values.append(f'substr(CAST({parameter} AS {kind}), "{name}", "{name}_size")')
            arrays += [f"CAST({parameter}_{part} AS INTEGER[])" for part in ("at", "size")]
            columns += [name, f"{name}_size"]
        else:
            values.append(f'"{name}"')
            arrays.append(f"CAST({parameter} AS {kind}[])")
            columns.append(name)
    return (
        f'INSERT INTO "{table.name}" ({_list(names)}) SELECT {", ".join(values)}'  # noqa: S608
        f" FROM unnest({', '.join(arrays)}) AS new({_list(columns)})"
    )


def _kind(table: Table, name: str) -> str:
    """Return a column's type; not varchar(n): a conversion to it would cut what is too long, where the
    column refuses it."""
    kind = table.c[name].type
    return "TEXT" if isinstance(kind, String) else str(kind.compile(_DIALECT))


def _list(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
