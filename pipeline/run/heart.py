"""A worker's heartbeat: one of several workers of a role, each with a row of its own.

In a thread of its own: a database that hangs must not keep the process from noticing that it should
stop, or that one of its threads died.
"""

import os
import socket
import threading
from collections.abc import Callable
from typing import Final

import structlog
from sqlalchemy import Table

from pipeline.actors.patience import is_infrastructure
from pipeline.clock import now
from pipeline.database.engine import Database
from pipeline.database.heartbeat import beat

log = structlog.get_logger(__name__)


class Heart:
    """Beats at intervals (seconds) from ``start`` until ``stopping`` is set."""

    def __init__(self, database: Database, heartbeats: Table, role: str, interval: float) -> None:
        self._database = database
        self._heartbeats = heartbeats
        self._interval = interval
        host = socket.gethostname()[:32]
        self.process: Final = f"{role}:{host}:{os.getpid()}"

    def start(self, broker_ok: Callable[[], bool], stopping: threading.Event) -> None:
        """Start beating."""
        arguments = (broker_ok, stopping)
        threading.Thread(target=self._run, args=arguments, name="heart", daemon=True).start()

    def _run(self, broker_ok: Callable[[], bool], stopping: threading.Event) -> None:
        pause = 1.0  # what was just started will soon be connected
        while not stopping.wait(pause):
            try:
                ok = broker_ok()
                beat(self._database, self._heartbeats, self.process, now(), broker_ok=ok)
            except Exception as error:
                if is_infrastructure(error):
                    log.debug("no-heartbeat", error=type(error).__name__)
                else:
                    log.exception("heartbeat-failed")
                ok = False
            pause = self._interval if ok else min(1.0, self._interval)
