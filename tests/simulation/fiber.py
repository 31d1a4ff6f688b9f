"""A thread that runs only while it is told to, so that several can be interleaved by a plan.

Control is handed over, never shared: whoever resumes a fiber waits until it pauses or ends. So a
simulation of many processes has exactly one thing running at any moment, and is deterministic.
"""

import threading
from collections.abc import Callable


class Fiber:
    """Runs one piece of work at a time, in a thread of its own."""

    def __init__(self, name: str) -> None:
        self.error: BaseException | None = None
        self.busy = False
        self._name = name
        self._work: Callable[[], None] | None = None
        self._go, self._back = threading.Lock(), threading.Lock()
        self._go.acquire()
        self._back.acquire()
        self._thread: threading.Thread | None = None

    def start(self, work: Callable[[], None]) -> bool:
        """Begin a piece of work; return True when it has ended, False when it paused."""
        assert not self.busy
        self._work, self.busy, self.error = work, True, None
        if self._thread is None:
            self._thread = threading.Thread(target=self._loop, name=self._name, daemon=True)
            self._thread.start()
        return self.resume()

    def resume(self) -> bool:
        """Let the work go on; return True when it has ended, False when it paused."""
        assert self.busy
        self._go.release()
        self._back.acquire()
        return not self.busy

    def pause(self) -> None:
        """Called by the work itself: hand control back until somebody resumes."""
        self._back.release()
        self._go.acquire()

    def close(self) -> None:
        """End the thread; no work is under way."""
        if self._thread is not None:
            self._work = None
            self._go.release()
            self._thread.join()
            self._thread = None

    def _loop(self) -> None:
        while True:
            self._go.acquire()
            if self._work is None:
                return
            try:
                self._work()
            except BaseException as error:  # noqa: BLE001 - whatever ends a process ends here
                self.error = error
            self.busy = False
            self._back.release()
