"""Long polls: many answers wait, one thread per process looks for all of them.

On PostgreSQL that thread listens for what `deliver` says, and looks slowly besides; on SQLite it
looks quickly while somebody waits. Whoever finds no place is answered at once, so that waiting
never uses up the server's threads.
"""

import threading
from collections.abc import Collection
from enum import Enum
from typing import Final

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from pipeline.database.engine import Database
from pipeline.database.sets import among
from pipeline.states import FINAL
from pipeline.web.ear import Ear
from pipeline.web.notify import DELIVERED
from pipeline.web.tables import requests

log = structlog.get_logger(__name__)

LOOK: Final = 0.025
"""Seconds between two looks on SQLite."""

LOOK_SLOWLY: Final = 2.0
"""Seconds after which a notification that did not come is made up for on PostgreSQL."""


class Waited(Enum):
    """How a wait ended."""

    FINAL = "final"
    TIMEOUT = "timeout"
    BUSY = "busy"


class Notifier:
    """Waits for requests to become final: at most ``places`` waits at once."""

    def __init__(self, database: Database, places: int) -> None:
        self._database = database
        self._places = places
        self._condition = threading.Condition()
        self._watched: dict[str, list[threading.Event]] = {}
        self._waiting = 0
        self._closed = False
        self._thread: threading.Thread | None = None
        self._ear = Ear(database, DELIVERED)

    def wait_final(self, request_id: str, timeout: float) -> Waited:
        """Wait until the request is final, at most ``timeout`` seconds.

        The caller has found it not to be; it may have become so since, which is noticed.

        Raises:
            SQLAlchemyError: the database is out of reach.
        """
        arrived = threading.Event()
        with self._condition:
            if self._closed or self._waiting >= self._places:
                return Waited.BUSY
            self._start()
            self._waiting += 1
            self._watched.setdefault(request_id, []).append(arrived)
            self._condition.notify_all()
        try:
            # It may have become final before it was watched.
            if self._final({request_id}):
                return Waited.FINAL
            arrived.wait(timeout)
            return Waited.FINAL if arrived.is_set() and not self._closed else Waited.TIMEOUT
        finally:
            self._forget(request_id, arrived)

    def close(self) -> None:
        """End every wait at once, and the thread."""
        with self._condition:
            self._closed = True
            for events in self._watched.values():
                for event in events:
                    event.set()
            self._condition.notify_all()
            thread = self._thread
        self._ear.close()
        if thread is not None:
            thread.join(timeout=10)

    @property
    def waiting(self) -> int:
        """How many wait now."""
        with self._condition:
            return self._waiting

    def _start(self) -> None:
        """Start the thread with the first who waits: a server may fork before that."""
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="long-polls", daemon=True)
            thread.start()  # which fails where there are too many: then the next one tries
            self._thread = thread

    def _forget(self, request_id: str, arrived: threading.Event) -> None:
        with self._condition:
            self._waiting -= 1
            events = self._watched[request_id]
            events.remove(arrived)
            if not events:
                del self._watched[request_id]

    def _run(self) -> None:
        embedded = self._database.dialect == "sqlite"
        failing = False
        while True:
            with self._condition:
                if embedded:
                    self._condition.wait_for(lambda: self._watched or self._closed)
                if self._closed:
                    return
            self._ear.wait(LOOK if embedded else LOOK_SLOWLY)
            try:
                self._look()
                failing = False
            except SQLAlchemyError as error:
                if not failing:
                    log.warning("long-polls-blind", error=type(error).__name__)
                failing = True
                self._ear.wait(1.0)

    def _look(self) -> None:
        with self._condition:
            watched = set(self._watched)
        if not watched:
            return
        final = self._final(watched)
        with self._condition:
            for request_id in final:
                for event in self._watched.get(request_id, ()):
                    event.set()

    def _final(self, ids: Collection[str]) -> set[str]:
        statement = select(requests.c.id).where(
            among(requests.c.id, ids), requests.c.state.in_(FINAL)
        )
        with self._database.read() as connection:
            return set(connection.scalars(statement))
