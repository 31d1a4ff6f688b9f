"""Tell other processes that there is something new in the web database, and hear of it.

On PostgreSQL by NOTIFY and LISTEN; on SQLite there is nothing but looking. A notification can be
lost (its sender dies between commit and NOTIFY), so whoever listens also looks, slowly.
"""

import threading
from collections.abc import Callable
from typing import Final
from weakref import WeakKeyDictionary

import structlog
from sqlalchemy.exc import SQLAlchemyError

from pipeline.database.engine import Database
from pipeline.web.ear import Ear

__all__ = ["DELIVERED", "SUBMITTED", "Ear", "announce"]

log = structlog.get_logger(__name__)

SUBMITTED: Final = "httpca_submitted"
"""New requests: from process `web` to `web-clock`."""

DELIVERED: Final = "httpca_delivered"
"""News of requests: from `deliver` to the processes `web`, for their long polls."""


def announce(database: Database, channel: str) -> None:
    """Notify those who listen on ``channel``; call it after the commit that they should see.

    The NOTIFY has a transaction of its own: inside the request's it would serialise all commits.
    While one is under way in this process, all further calls wait for the next one together. A
    failure is logged and otherwise harmless, since whoever listens also looks.
    """
    if database.dialect == "sqlite":
        return
    with _lock:
        coalescers = _coalescers.setdefault(database, {})
        coalescer = coalescers.setdefault(channel, _Coalescer())
    coalescer(lambda: _notify(database, channel))


_lock: Final = threading.Lock()
_coalescers: Final[WeakKeyDictionary[Database, dict[str, "_Coalescer"]]] = WeakKeyDictionary()


def _notify(database: Database, channel: str) -> None:
    try:
        with database.engine.connect() as connection:
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql(f"NOTIFY {channel}")
    except SQLAlchemyError as error:
        log.warning("notification-lost", channel=channel, error=type(error).__name__)


class _Coalescer:
    """Runs a function so that every call is followed by a run that began after it."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._running = False
        self._asked = 0
        self._served = 0

    def __call__(self, work: Callable[[], None]) -> None:
        with self._condition:
            self._asked += 1
            mine = self._asked
            while self._running and self._served < mine:
                self._condition.wait()
            if self._served >= mine:
                return
            self._running = True
            serving = self._asked
        try:
            work()
        finally:
            with self._condition:
                self._running = False
                self._served = serving
                self._condition.notify_all()
