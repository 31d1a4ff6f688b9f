"""Write what the signer was asked for, for a web side that was restored from a backup.

One JSON object a line: a request as the web side submitted it. What became of it is not in it: the
web side asks for that as it always does, and gets it signed.
"""

import base64
from collections.abc import Iterator
from typing import Any

from sqlalchemy import select

from pipeline.database.engine import Database
from pipeline.database.export import written
from pipeline.signer.tables import requests, submissions

AT_ONCE = 500


def lines(database: Database) -> Iterator[str]:
    """Return every request that the signer knows, oldest first."""
    return written(_found(database))


def _found(database: Database) -> Iterator[dict[str, Any]]:
    statement = (
        select(
            requests.c.id,
            submissions.c.requester,
            submissions.c.submitted_at,
            submissions.c.csr,
            submissions.c.profile_name.label("profile"),
            submissions.c.source,
            submissions.c.comment,
        )
        .join_from(requests, submissions)
        .order_by(requests.c.created_at, requests.c.id)
        .execution_options(yield_per=AT_ONCE)
    )
    with database.snapshot() as connection:
        for row in connection.execute(statement):
            found = dict(row._mapping)
            found["submitted_at"] = row.submitted_at.isoformat()
            found["csr"] = base64.b64encode(row.csr).decode("ascii")
            yield found
