"""Column types, and the tables that both sides have in the same form.

``requests`` holds what changes often and stands apart from the bytes (CSR, certificate). ``audit``
is append-only.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    Dialect,
    Identity,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TextClause,
    TypeDecorator,
    Uuid,
)
from sqlalchemy import BigInteger as _BigInteger

from pipeline.database.append_only import append_only

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC: ``timestamptz`` on PostgreSQL, sortable text on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive time; store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("times are aware")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return an aware time in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


BigInteger = _BigInteger().with_variant(Integer(), "sqlite")
"""A growing key; SQLite numbers rows by itself only in a column declared INTEGER."""

RequestId = Uuid(as_uuid=False).with_variant(String(36), "sqlite")
"""A request's id, as text in Python, and where there is no type for it."""


def request_columns() -> list[Column[Any]]:
    """Return the columns that a side's ``requests`` table has for its state and its work.

    ``attempts`` and ``next_attempt_at`` belong to the work on the present state: a row is due when
    ``next_attempt_at`` has come, and a claim moves that ahead (a lease). NULL means that nothing is
    to be done before something else happens.
    """
    return [
        Column("id", RequestId, primary_key=True),
        Column("state", String(24), nullable=False),
        Column("revision", Integer, nullable=False),
        Column("reason", Text, nullable=False, default=""),
        Column("created_at", UtcDateTime, nullable=False),
        Column("changed_at", UtcDateTime, nullable=False),
        Column("attempts", Integer, nullable=False, default=0),
        Column("next_attempt_at", UtcDateTime),
    ]


def audit_table(metadata: MetaData) -> Table:
    """Return a side's audit table: one row for each thing that was done, never changed."""
    return append_only(
        Table(
            "audit",
            metadata,
            Column("id", BigInteger, Identity(), primary_key=True),
            Column("at", UtcDateTime, nullable=False),
            Column("event", String(64), nullable=False),
            Column("request_id", RequestId, index=True),
            Column("details", JSON, nullable=False),
        )
    )


def heartbeat_table(metadata: MetaData) -> Table:
    """Return the table in which each process says that it lives and how it finds the broker.

    ``certificates`` is what a clock says of the certificates that its side depends on: a list of
    ``use``, ``owner``, ``fingerprint`` and ``not_after`` (RFC 3339).
    """
    return Table(
        "heartbeats",
        metadata,
        Column("process", String(64), primary_key=True),
        Column("at", UtcDateTime, nullable=False),
        Column("broker_ok", Integer, nullable=False),
        Column("certificates", JSON),
    )


def due_index(name: str, table: Table, column: str, condition: TextClause) -> Index:
    """Return a partial index over the rows that still have work to be done.

    ``condition`` is for the queries too, as it is: a database proves that a partial index serves a
    query by comparing their conditions, and bound parameters hide them.
    """
    return Index(name, table.c[column], postgresql_where=condition, sqlite_where=condition)
