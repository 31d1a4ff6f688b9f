"""End a process cleanly when it is told to."""

import _thread
import signal
import threading
from typing import Any


def stop_on_signals(stopping: threading.Event) -> None:
    """Set ``stopping`` on SIGINT and SIGTERM, soon; a second signal ends the process at once."""

    def stop(number: int, _frame: Any) -> None:
        signal.signal(number, signal.SIG_DFL)
        # Not in this thread: it may be just about to wait, and then holds the event's lock itself.
        # Nor by a Thread, whose start takes locks that this thread may hold as well.
        _thread.start_new_thread(stopping.set, ())

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
