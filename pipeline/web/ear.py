"""Listen on a channel of the web database (PostgreSQL), on a connection of its own."""

import contextlib
import selectors
import socket
import threading
import time
from typing import Any, Final

import psycopg
import structlog

from pipeline.database.engine import Database

log = structlog.get_logger(__name__)

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0
"""Seconds between two attempts to connect."""


class Ear:
    """Hears what :func:`pipeline.web.notify.announce` says on one channel.

    One thread waits, any may close. On SQLite there is nothing to hear: waiting just waits.
    """

    def __init__(self, database: Database, channel: str) -> None:
        self._database = database
        self._channel = channel
        self._closed = threading.Event()
        self._in_use = threading.Lock()
        self._connection: psycopg.Connection[Any] | None = None
        self._waker: tuple[socket.socket, socket.socket] | None = None
        self._pause = FIRST_PAUSE

    def wait(self, timeout: float) -> bool:
        """Wait for news, at most ``timeout`` seconds; return whether there may be some.

        True also after every (re)connect, since what was said before was missed: look for yourself.
        A lost connection is logged once and made again with growing pauses.
        """
        if self._closed.is_set() or self._database.dialect == "sqlite":
            self._closed.wait(timeout)
            return False
        deadline = time.monotonic() + timeout
        with self._in_use:
            try:
                if self._connection is None:
                    self._connection = self._connect()
                    return True
                return self._listen(self._connection, deadline)
            except psycopg.Error as error:
                self._lose(error)
        self._closed.wait(min(self._pause, max(0.0, deadline - time.monotonic())))
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        return False

    def close(self) -> None:
        """End every wait, now and later, and the connection."""
        self._closed.set()
        if self._waker is not None:
            with contextlib.suppress(OSError):
                self._waker[1].send(b"x")
        with self._in_use:
            self._disconnect()
            for end in self._waker or ():
                end.close()

    def _connect(self) -> psycopg.Connection[Any]:
        if self._waker is None:
            self._waker = socket.socketpair()
        engine = self._database.engine
        arguments, options = engine.dialect.create_connect_args(engine.url)
        options = dict(options) | {
            "application_name": "httpca-ear",
            "connect_timeout": 5,
            # A server that vanished without a word is noticed within a minute.
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
        }
        connection: psycopg.Connection[Any] = psycopg.connect(
            *arguments, autocommit=True, **options
        )
        connection.execute(f"LISTEN {self._channel}".encode())
        if self._pause > FIRST_PAUSE:
            log.info("listening-again", channel=self._channel)
        self._pause = FIRST_PAUSE
        return connection

    def _listen(self, connection: psycopg.Connection[Any], deadline: float) -> bool:
        assert self._waker is not None  # noqa: S101 - made with the connection
        with selectors.DefaultSelector() as selector:
            selector.register(connection.fileno(), selectors.EVENT_READ)
            selector.register(self._waker[0], selectors.EVENT_READ)
            while not self._closed.is_set():
                if _heard(connection):
                    return True
                left = deadline - time.monotonic()
                if left <= 0 or not selector.select(left):
                    return False
        return False

    def _lose(self, error: psycopg.Error) -> None:
        if self._pause == FIRST_PAUSE:
            log.warning("not-listening", channel=self._channel, error=type(error).__name__)
        self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                self._connection.close()
            self._connection = None


def _heard(connection: psycopg.Connection[Any]) -> bool:
    """Take in what has arrived; return whether a notification was among it."""
    connection.pgconn.consume_input()
    heard = False
    while connection.pgconn.notifies() is not None:
        heard = True
    return heard
