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
