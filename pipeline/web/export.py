"""Write what the web side holds, for a signer that was restored from a backup.

One JSON object a line: a request, its submission, and its certificate with the issuer's fingerprint.
"""

import base64
from collections.abc import Iterator
from typing import Any

from sqlalchemy import select

from pipeline.database.engine import Database
from pipeline.database.export import written
from pipeline.web.tables import certificates, requests, submissions

AT_ONCE = 500


def lines(database: Database) -> Iterator[str]:
    """Return every request that the signer was told of or told us of, oldest first."""
    return written(_found(database))


def _found(database: Database) -> Iterator[dict[str, Any]]:
    statement = (
        select(
            requests.c.id,
            requests.c.state,
            requests.c.revision,
            requests.c.reason,
            requests.c.requester,
            requests.c.created_at,
            submissions.c.csr,
            submissions.c.profile,
            submissions.c.source,
            submissions.c.comment,
            certificates.c.certificate,
            certificates.c.issuer,
        )
        .join_from(requests, submissions)
        .join(certificates, certificates.c.request_id == requests.c.id, isouter=True)
        .where(requests.c.revision > 0)
        .order_by(requests.c.created_at, requests.c.id)
        .execution_options(yield_per=AT_ONCE)
    )
    with database.snapshot() as connection:
        for row in connection.execute(statement):
            found = dict(row._mapping)
            found["created_at"] = row.created_at.isoformat()
            for octets in ("csr", "certificate"):
                if found[octets] is not None:
                    found[octets] = base64.b64encode(found[octets]).decode("ascii")
            yield found
