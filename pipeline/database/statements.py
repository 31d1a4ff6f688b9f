"""Statements that can be written out as a script, with their values in them."""

import json
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import String, Table, Text, column, insert, table
from sqlalchemy.sql.dml import Insert

from pipeline.database.columns import UtcDateTime


def entry(audit: Table, event: str, details: Mapping[str, str], now: datetime) -> Insert:
    """Return the statement that writes an audit entry.

    JSON is given as its text, which both databases take: it has no literal form of its own.
    """
    written = table(
        audit.name, column("at", UtcDateTime), column("event", String), column("details", Text)
    )
    return insert(written).values(at=now, event=event, details=json.dumps(details))
