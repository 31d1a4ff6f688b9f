"""Count what is refused, and tell of it at a limited rate, so that nobody can fill a disk."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

import structlog

from pipeline.errors import MessageRefused

log = structlog.get_logger(__name__)

QUIET_TIME: Final = 10.0
"""Seconds between two reports of the same kind."""

Report = Callable[[str, str, str, int], None]
"""Told ``(queue, reason, sender, how many since the last report)``."""


class Refusals:
    """Refused messages by queue, reason and sender (all from small fixed sets)."""

    def __init__(
        self, report: Report | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.counts: Counter[tuple[str, str, str]] = Counter()
        self._report = report
        self._monotonic = monotonic
        self._reported: dict[tuple[str, str, str], tuple[float, int]] = {}
        self._lock = threading.Lock()

    def note(self, queue: str, refused: MessageRefused) -> None:
        """Count one refused message; log and report it unless that was done just now."""
        kind = (queue, refused.reason, refused.sender)
        with self._lock:
            self.counts[kind] += 1
            count, now = self.counts[kind], self._monotonic()
            last_time, last_count = self._reported.get(kind, (float("-inf"), 0))
            if now - last_time < QUIET_TIME:
                return
            self._reported[kind] = (now, count)
        since = count - last_count
        log.warning(
            "message-refused",
            queue=queue,
            reason=refused.reason,
            sender=refused.sender,
            count=since,
        )
        if self._report is not None:
            self._report(queue, refused.reason, refused.sender, since)
