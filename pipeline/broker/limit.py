"""A limit for what pika waits for: it has none for confirms, for opening a channel, for closing.

A cluster without majority, a frozen broker, and one that blocks publishers (memory or disk alarm)
all take a message and say nothing. Heartbeats do not help: the first and the last send theirs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pika
from pika.exceptions import AMQPError


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
    timer = implementation.ioloop.call_later(
        seconds, partial(implementation._terminate_stream, error)
    )
    try:
        yield
    finally:
        implementation.ioloop.remove_timeout(timer)
