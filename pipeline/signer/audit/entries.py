"""The canonical octets of an entry: RFC 8785 JSON of all columns of its row; and which certificate it
tells of.

Rows are read as text, made so by the database, so that a row which somebody wrote by hand is read as it
is: it has another hash then, and harms nobody who reads.
"""

import json
from typing import Any, Final

import msgspec
import rfc8785
from sqlalchemy import ColumnElement, Connection, String, Text, case, cast, func, type_coerce

from pipeline.errors import HttpcaError
from pipeline.signer.tables import audit

_PLAIN: Final = 2**53
"""Whole numbers below this are written by RFC 8785 as everywhere."""


class UnreadableEntry(HttpcaError):
    """An entry of the audit that has no canonical form: the program writes none like it."""


def columns(dialect: str) -> list[ColumnElement[Any]]:
    """Return what to select of an entry, in the order of ``canonical``'s arguments."""
    moment: ColumnElement[Any]
    request: ColumnElement[Any]
    if dialect == "sqlite":
        moment = func.replace(type_coerce(audit.c.at, String), " ", "T").concat("Z")
        request = audit.c.request_id
    else:
        form = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
        moment = func.to_char(func.timezone("UTC", audit.c.at), form)
        request = cast(audit.c.request_id, Text)
    details = cast(type_coerce(audit.c.details, String), Text)
    return [
        audit.c.id,
        type_coerce(moment, String).label("moment"),
        audit.c.event,
        type_coerce(request, String).label("request"),
        details.label("text"),
    ]


def read_any_text(connection: Connection) -> None:
    """Let a connection read what is no UTF-8, which SQLite keeps as text like all else: with its octets
    written out."""
    opened = connection.connection.dbapi_connection
    if connection.dialect.name == "sqlite" and opened is not None:
        opened.text_factory = lambda octets: octets.decode("utf-8", "backslashreplace")


def canonical(entry: int, moment: str, event: str, request_id: str | None, details: str) -> bytes:
    """Return an entry's canonical octets.

    Raises:
        UnreadableEntry: ``details`` is no JSON, has a member twice, or holds a number that RFC 8785
            cannot write.
    """
    try:
        members = msgspec.json.decode(details)
        if msgspec.json.encode(members).decode() != details:
            _refuse_members_twice(details)
        whole = {
            "at": moment,
            "details": members,
            "event": event,
            "id": entry,
            "request_id": request_id,
        }
        if _is_plain(members):
            return msgspec.json.encode(whole, order="sorted")
        return rfc8785.dumps(whole)
    except (ValueError, TypeError, RecursionError) as error:
        raise UnreadableEntry(
            f"entry {entry} of the audit cannot be read: its details are no JSON of ours"
        ) from error


def _refuse_members_twice(details: str) -> None:
    """Of two members of one name we read the last and SQLite the first: the hash would be that of
    another entry than the one which the database tells of."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) < len(pairs):
            raise ValueError("a member comes twice")
        return members

    json.loads(details, object_pairs_hook=once)


def certificate_told(dialect: str) -> ColumnElement[Any]:
    """Return what to select of an entry for the SHA-256 (hex) of the certificate that it tells of; NULL
    when it tells of none."""
    told = audit.c.details["certificate"].as_string()
    if dialect == "sqlite":  # which keeps as JSON whatever somebody writes there
        readable = func.json_valid(type_coerce(audit.c.details, String)) == 1
    else:  # which keeps as JSON what it has no text for, and ends in an error when it is asked for one
        readable = ~cast(audit.c.details, Text).regexp_match(r"\\u(0000|[Dd][89A-Fa-f])")
    return case((readable, told), else_=None)


def _is_plain(members: Any) -> bool:
    """Tell whether RFC 8785 writes this as msgspec does, which is ten times as fast."""
    return type(members) is dict and all(
        name.isascii()
        and (
            (kind := type(value)) is str
            or value is None
            or kind is bool
            or (kind is int and -_PLAIN < value < _PLAIN)
        )
        for name, value in members.items()
    )
