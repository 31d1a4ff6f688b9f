"""A worker's heartbeat: one of several workers of a role, each with a row of its own."""

import os
import socket
import time
from typing import Final

import structlog
from sqlalchemy import Table

from pipeline.actors.patience import is_infrastructure
from pipeline.clock import now
from pipeline.database.engine import Database
from pipeline.database.heartbeat import beat

log = structlog.get_logger(__name__)


class Heart:
    """Beats at intervals (seconds), as often as it is asked to."""

    def __init__(self, database: Database, heartbeats: Table, role: str, interval: float) -> None:
        self._database = database
        self._heartbeats = heartbeats
        self._interval = interval
        self._next = 0.0
        host = socket.gethostname()[:32]
        self.process: Final = f"{role}:{host}:{os.getpid()}"

    def beat(self, broker_ok: bool) -> None:
        """Write the heartbeat, if it is time; a database that is out of reach shows by itself."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self._interval
        try:
            beat(self._database, self._heartbeats, self.process, now(), broker_ok=broker_ok)
        except Exception as error:
            if not is_infrastructure(error):
                raise
            log.debug("no-heartbeat", error=type(error).__name__)
