"""A limit for what pika waits for: it has none for confirms, for opening a channel, for closing.

A cluster without majority, a frozen broker, and one that blocks publishers (memory or disk alarm)
all take a message and say nothing. Heartbeats do not help: the first and the last send theirs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pika
import structlog
from pika.adapters.utils.connection_workflow import AMQPConnectorException
from pika.exceptions import AMQPError

log = structlog.get_logger(__name__)

TROUBLE: Final = (AMQPError, AMQPConnectorException, OSError)
"""What pika raises when the broker is out of reach. A broker that accepts the connection and then
says nothing ends in an exception that is no ``AMQPError``."""

FAREWELL: Final = 2.0
"""Seconds that closing may take."""


class NoAnswer(AMQPError):  # type: ignore[misc, unused-ignore]
    """The broker was given its time and did not answer; the connection is gone."""


@contextmanager
def limit(connection: pika.BlockingConnection, seconds: float) -> Iterator[None]:
    """Let what a connection waits for inside the block end after so many seconds, with its end.

    Raises:
        NoAnswer: the time was over.
    """
    # The way in which pika itself ends a connection without heartbeats; it offers no other one.
    # tests/system/test_silent_broker.py notices when a new version of pika has none like it.
    implementation: Any = connection._impl  # type: ignore[attr-defined]
    error = NoAnswer(f"no answer within {seconds:g} s")

    def give_up() -> None:
        # A process that stood still may notice at once that its time is over and that the connection
        # was lost. pika cannot end it a second time.
        if not implementation.is_closed:
            implementation._terminate_stream(error)

    timer = implementation.ioloop.call_later(seconds, give_up)
    try:
        yield
    finally:
        implementation.ioloop.remove_timeout(timer)


def close(connection: pika.BlockingConnection) -> None:
    """Close a connection, if it is open; one that is lost meanwhile is closed too."""
    if connection.is_open:
        try:
            with limit(connection, FAREWELL):
                connection.close()
        except TROUBLE as error:
            log.debug("connection-closed-badly", error=type(error).__name__)
