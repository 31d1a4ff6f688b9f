"""Say once that queues cannot be read, and once that they are read again.

Each queue has a consumer, and each would report the same broker, every few seconds.
"""

import logging
import threading

import structlog

from pipeline.broker.reasons import why

log = structlog.get_logger(__name__)


class Outage:
    """The queues that cannot be read at the moment."""

    def __init__(self) -> None:
        self._missing: set[str] = set()
        self._lock = threading.Lock()

    def lost(self, queue: str, error: BaseException) -> None:
        """Note that a queue is not read: the broker is out of reach, or the queue was deleted."""
        with self._lock:
            if not self._missing:
                said = {"error": type(error).__name__, "why": why(error)}
                log.warning("not-reading", queue=queue, **said)
            self._missing.add(queue)

    def over(self, queue: str) -> None:
        """Note that a queue is read."""
        with self._lock:
            if self._missing == {queue}:
                log.info("reading-again")
            self._missing.discard(queue)


def hush(queue: str) -> None:
    """Keep Dramatiq from saying at every attempt what ``Outage`` says once."""
    logger = logging.getLogger(f"dramatiq.worker.ConsumerThread({queue})")
    if not any(isinstance(one, _KnownAlready) for one in logger.filters):
        logger.addFilter(_KnownAlready())


class _KnownAlready(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith("Consumer encountered a connection error")
