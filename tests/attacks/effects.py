"""What messages have changed in both databases, and what they have only left a trace of."""

from collections import Counter
from typing import Any, Final

from sqlalchemy import Table, select

from pipeline.database.engine import Database
from pipeline.signer import tables as signer_tables
from pipeline.web import tables as web_tables

_OF_THE_WORK: Final = ("told_revision", "tell_at", "attempts", "next_attempt_at", "last_used_at")
"""Columns that say what work is due; messages that are known already may ask for it again."""


def _select(table: Table) -> str:
    """Return a statement that reads a table as the database holds it."""
    columns = ", ".join(f'"{c.name}"' for c in table.c if c.name not in _OF_THE_WORK)
    wanted = {"audit": "event = 'state-changed'", "decisions": "effect = 'counted'"}
    return (
        f"SELECT {columns} FROM {table.name} WHERE {wanted.get(table.name, 'true')} ORDER BY 1, 2"
    )


def state(database: Database, requests: Any, request_id: str) -> str | None:
    """Return the state of a request in a side's table of requests."""
    with database.read() as connection:
        found: str | None = connection.scalar(
            select(requests.c.state).where(requests.c.id == request_id)
        )
    return found


def dump(web_database: Database, signer_database: Database) -> dict[str, list[Any]]:
    """Return all that only an admitted message may change, of both databases."""
    found: dict[str, list[Any]] = {}
    for side, database, tables in (
        ("web", web_database, web_tables),
        ("signer", signer_database, signer_tables),
    ):
        with database.read() as connection:
            for table in tables.metadata.sorted_tables:
                if table.name not in ("heartbeats", "tries"):
                    rows = connection.exec_driver_sql(_select(table)).fetchall()
                    found[f"{side}.{table.name}"] = [tuple(row) for row in rows]
    return found


def traces(web_database: Database, signer_database: Database) -> Counter[str]:
    """Return what both sides noted of messages that were admitted and came to nothing."""
    found: Counter[str] = Counter()
    for database, audit in (
        (web_database, web_tables.audit),
        (signer_database, signer_tables.audit),
    ):
        with database.read() as connection:
            found.update(connection.scalars(select(audit.c.event)))
    with signer_database.read() as connection:
        found.update(connection.scalars(select(signer_tables.decisions.c.effect)))
    for usual in ("state-changed", "message-refused", "decision-recorded", "counted"):
        del found[usual]
    return found
