"""Wait in place while something that is needed is out of reach.

Errors of the infrastructure (database, broker, token) never count against a request: the same work
is tried again, with growing pauses, until it succeeds or the process stops.
"""

import threading
from collections.abc import Callable
from typing import Final, TypeVar

import structlog

from pipeline.database.reach import is_out_of_reach
from pipeline.errors import HttpcaError, InfrastructureError

log = structlog.get_logger(__name__)

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0
"""Seconds between two tries."""

T = TypeVar("T")


class Stopped(HttpcaError):
    """The process is stopping; what was under way is found again by its row."""


def is_infrastructure(error: BaseException) -> bool:
    """Say whether an exception means that something is out of reach, rather than wrong."""
    return isinstance(error, InfrastructureError) or is_out_of_reach(error)


class Patience:
    """Tries again until it works; ``stopping`` ends every wait."""

    def __init__(self, stopping: threading.Event | None = None) -> None:
        self.stopping = stopping or threading.Event()

    def __call__(self, work: Callable[[], T], keep: Callable[[], None] | None = None) -> T:
        """Do ``work`` until it succeeds; before each further try ``keep`` extends its leases.

        Raises:
            Stopped: the process is stopping.
            Exception: whatever ``work`` raises that is no matter of infrastructure.
        """
        pause = FIRST_PAUSE
        while True:
            try:
                if keep is not None and pause > FIRST_PAUSE:
                    keep()
                result = work()
            except Exception as error:
                if not is_infrastructure(error):
                    raise
                if pause == FIRST_PAUSE:
                    log.warning("waiting", error=type(error).__name__, why=first_line(error))
            else:
                if pause > FIRST_PAUSE:
                    log.info("going-on")
                return result
            if self.stopping.wait(pause):
                raise Stopped("stopping while something was out of reach")
            pause = min(2 * pause, LONGEST_PAUSE)


def first_line(error: BaseException) -> str:
    """Return what an exception says, in a line of a log."""
    return str(error).partition("\n")[0][:200]
