"""Audit refused messages, at the limited rate at which they are reported."""

from collections.abc import Callable

import structlog
from sqlalchemy import Table
from sqlalchemy.exc import SQLAlchemyError

from pipeline.clock import Clock
from pipeline.database.advance import record
from pipeline.database.engine import Database

log = structlog.get_logger(__name__)


def audit_refusals(
    database: Database, audit: Table, clock: Clock
) -> Callable[[str, str, str, int], None]:
    """Return the function that writes one audit entry for so many refused messages of a kind.

    The message is refused whatever becomes of the entry: without the database it is only logged.
    """

    def report(queue: str, reason: str, sender: str, count: int) -> None:
        details = {"queue": queue, "reason": reason, "sender": sender, "count": count}
        try:
            with database.write() as connection:
                record(connection, audit, "message-refused", details, clock())
        except SQLAlchemyError as error:
            log.error("refusal-not-audited", error=type(error).__name__, **details)

    return report
