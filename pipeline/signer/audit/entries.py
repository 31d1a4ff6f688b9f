"""The canonical octets of an entry: RFC 8785 JSON of all columns of its row.

Rows are read as text, made so by the database, so that a row which somebody wrote by hand is read as it
is: it has another hash then, and harms nobody who reads.
"""

from typing import Any, Final

import msgspec
import rfc8785
from sqlalchemy import ColumnElement, String, Text, cast, func, type_coerce

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


def canonical(entry: int, moment: str, event: str, request_id: str | None, details: str) -> bytes:
    """Return an entry's canonical octets.

    Raises:
        UnreadableEntry: ``details`` is no JSON, or holds a number that RFC 8785 cannot write.
    """
    try:
        members = msgspec.json.decode(details)
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
