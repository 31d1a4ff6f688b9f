"""Whether answers are delayed, as the heartbeats of the web side's worker and clock tell.

Process `web` has no access to the broker itself. A row's ``process`` is the role, or the role, a
colon and whatever tells several of a role apart.
"""

from collections import defaultdict
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, select

from pipeline.web.tables import heartbeats
from settings.web import WebSettings

MISSED = 3
"""A process is taken for dead when so many of its heartbeats did not come."""


class Broker(StrEnum):
    """How the broker is, as far as is known here."""

    OK = "ok"
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"


def broker(connection: Connection, settings: WebSettings, now: datetime) -> Broker:
    """Return how the broker is: OK when of every role some process lives and reaches it."""
    oldest = now - timedelta(seconds=settings.clock.heartbeat * MISSED)
    table = heartbeats
    alive: defaultdict[str, list[bool]] = defaultdict(list)
    for row in connection.execute(select(table.c.process, table.c.at, table.c.broker_ok)):
        beats = alive[row.process.partition(":")[0]]
        if row.at >= oldest:
            beats.append(bool(row.broker_ok))
    if not alive or not all(alive.values()):
        return Broker.UNKNOWN
    return Broker.OK if all(any(beats) for beats in alive.values()) else Broker.UNREACHABLE
