"""Who answers a request: the thread that serves, or another one."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from waitress.task import ThreadedTaskDispatcher

from pipeline.web.aside import Rounds
from pipeline.web.connections import Channel

SHORT: Final = frozenset({("POST", "/api/v1/requests")})
"""What takes little time, but for that of the database, and comes most often."""

SHORT_BODY: Final = 8 * 1024
"""Bytes. A CSR in a larger one has so many names that others would notice what it takes."""

LONG: Final = {("POST", "/api/v1/batches"): 2, ("GET", "/requests"): 4}
"""What takes long, and the divisor of the threads that long polls leave: of each kind so many are
answered at a time, so that whoever asks for many of them keeps nobody else waiting."""


class Dispatcher(ThreadedTaskDispatcher):
    """Hands requests over to other threads, but for short ones, which the serving thread keeps.

    ``ring`` makes that thread call ``serve`` soon; ``spare`` threads are left by long polls.
    """

    def __init__(self, threads: int, ring: Callable[[], None], spare: int) -> None:
        super().__init__()
        hand_over = super().add_task
        self._long = {asked: _Few(max(1, spare // part), hand_over) for asked, part in LONG.items()}
        self._serving: int | None = None
        self._short: deque[Channel] = deque()
        self._rounds = Rounds(ring, self.add_task)
        self.set_thread_count(threads)

    def add_task(self, task: Any) -> None:
        """Have something done: mostly, have the next request of a ``Channel`` answered."""
        if isinstance(task, Channel) and task.total_outbufs_len:
            task.held = True
        elif threading.get_ident() == self._serving and _is_short(task):
            self._short.append(task)
        elif (few := self._long.get(_asked(task))) is not None:
            few.add(task)
        else:
            super().add_task(task)

    def serve(self) -> None:
        """Answer what is short, in this thread, as far as that is possible without waiting."""
        self._serving = threading.get_ident()
        self._rounds.go_on()
        while self._short:
            self._rounds.begin(self._short.popleft().service)
        self._rounds.hand_over()


class _Few:
    """Has a few of its tasks done at a time; the others wait, without a thread."""

    def __init__(self, places: int, hand_over: Callable[[Any], None]) -> None:
        self._places = places
        self._hand_over = hand_over
        self._waiting: deque[Channel] = deque()
        self._lock = threading.Lock()

    def add(self, task: Channel) -> None:
        """Have a task done when there is a place."""
        with self._lock:
            if not self._places:
                self._waiting.append(task)
                return
            self._places -= 1
        self._hand_over(_Placed(task, self))

    def leave(self) -> None:
        """Give a place to who waits longest, if anybody does."""
        with self._lock:
            if not self._waiting:
                self._places += 1
                return
            task = self._waiting.popleft()
        self._hand_over(_Placed(task, self))


class _Placed:
    """A task that has a place, until it is done."""

    def __init__(self, task: Channel, few: _Few) -> None:
        self._task = task
        self._few = few

    def service(self) -> None:
        try:
            self._task.service()
        finally:
            self._few.leave()

    def cancel(self) -> None:
        self._task.cancel()


def _asked(task: Any) -> tuple[str, str]:
    """Return the method and address that a ``Channel`` is asked for next; of anything else none."""
    if not isinstance(task, Channel) or task.requests[0].error:
        return "", ""
    request: Any = task.requests[0]
    return request.command, "/" + request.path.lstrip("/")  # as waitress passes it on


def _is_short(task: Any) -> bool:
    return _asked(task) in SHORT and task.requests[0].body_bytes_received <= SHORT_BODY
