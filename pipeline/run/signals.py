"""End a process cleanly when it is told to."""

import signal
import threading
from typing import Any


def stop_on_signals(stopping: threading.Event) -> None:
    """Set ``stopping`` on SIGINT and SIGTERM; a second signal ends the process at once."""

    def stop(number: int, _frame: Any) -> None:
        stopping.set()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def wait_until(stopping: threading.Event) -> None:
    """Wait in the main thread until ``stopping`` is set.

    A signal that comes just before a wait without a limit begins is not seen before another one
    comes: Python runs its handler between two steps of the main thread, and there is none. So this
    wakes every second.
    """
    while not stopping.wait(1.0):
        pass
