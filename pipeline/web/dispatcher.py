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


class Dispatcher(ThreadedTaskDispatcher):
    """Hands requests over to other threads, but for short ones, which the serving thread keeps.

    ``ring`` makes that thread call ``serve`` soon.
    """

    def __init__(self, threads: int, ring: Callable[[], None]) -> None:
        super().__init__()
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
        else:
            super().add_task(task)

    def serve(self) -> None:
        """Answer what is short, in this thread, as far as that is possible without waiting."""
        self._serving = threading.get_ident()
        self._rounds.go_on()
        while self._short:
            self._rounds.begin(self._short.popleft().service)
        self._rounds.hand_over()


def _is_short(task: Any) -> bool:
    if not isinstance(task, Channel):
        return False
    request: Any = task.requests[0]
    return (
        not request.error
        and (request.command, request.path) in SHORT
        and request.body_bytes_received <= SHORT_BODY
    )
