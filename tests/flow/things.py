"""A table with columns of every kind, and others that belong to it."""

import uuid
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    event,
)

from pipeline.database.columns import RequestId, UtcDateTime


class Colour(StrEnum):
    RED = "red"


metadata = MetaData()

table = Table(
    "things",
    metadata,
    Column("id", RequestId, primary_key=True),
    Column("name", String(8), nullable=False),
    Column("colour", String(8)),
    Column("octets", LargeBinary),
    Column("at", UtcDateTime),
    Column("details", JSON),
    Column("number", Integer, unique=True),
    Column("left_out", String(8), nullable=False, default="so"),
)

parts = Table(
    "parts",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("of", RequestId, ForeignKey("things.id"), nullable=False),
    Column("octets", LargeBinary, nullable=False),
)

notes = Table("notes", metadata, Column("note", String(8)), Column("details", JSON))

NOON = datetime(2026, 1, 2, 12, 0, 0, 123456, tzinfo=UTC)


def thing(name: str, **values: Any) -> dict[str, Any]:
    whole = {"id": str(uuid.uuid4()), "name": name, "colour": Colour.RED, "octets": b"\x00\xff'\\"}
    return whole | {"at": NOON, "details": {"a": ['"', "\\", None]}, "number": None} | values


def statements(connection: Connection) -> list[tuple[str, Any]]:
    """Return what will be executed from now on: statements with their parameters."""
    seen: list[tuple[str, Any]] = []

    @event.listens_for(connection, "before_cursor_execute")
    def see(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        seen.append((statement, values))

    return seen
