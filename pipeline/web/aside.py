"""Wait without holding up the thread that serves.

That thread answers by itself what is short: to hand each request over to another thread and its answer
back costs more than to answer it. Each runs in a greenlet, which is left where it has to wait, and gone
on with when that is over; meanwhile the thread goes on with others. In any other thread, and without a
server, whoever waits just waits: the same code runs in both.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import Context, copy_context
from typing import Any, Protocol, TypeVar

import structlog
from greenlet import getcurrent, greenlet

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Task(Protocol):
    """What another thread does."""

    def service(self) -> None: ...
    def cancel(self) -> None: ...


class Rounds:
    """What one thread does in turns: each until it is done or has to wait.

    Args:
        ring: makes the thread call ``go_on`` soon; called by any thread.
        hand_over: has a task done by another thread.
    """

    def __init__(self, ring: Callable[[], None], hand_over: Callable[[Task], None]) -> None:
        self._ring = ring
        self._hand_over = hand_over
        self._left: list[Task] = []
        self._ready: deque[_Turns] = deque()
        self._idle: list[_Turns] = []

    def begin(self, work: Callable[[], None]) -> None:
        """Begin something; return when it is done, or has to wait."""
        turns = self._idle.pop() if self._idle else _Turns(self)
        turns.begin(work)

    def end(self, turns: _Turns) -> None:
        """Take back what has nothing to do any more: a new one costs a memory map of its own."""
        self._idle.append(turns)

    def go_on(self) -> None:
        """Go on with what need not wait any longer."""
        while self._ready:
            self._ready.popleft().switch()

    def leave(self, task: Task) -> None:
        """Leave a task to another thread, which is given it by ``hand_over``."""
        self._left.append(task)

    def hand_over(self) -> None:
        """Have done what was left to others. Called when nothing can go on: so whoever came by then
        shares what all of them wait for, a commit mostly, and nobody is answered later for that."""
        left, self._left = self._left, []
        for task in left:
            self._hand_over(task)

    def let_go_on(self, turns: _Turns) -> None:
        """Have this gone on with soon; called by any thread."""
        self._ready.append(turns)
        self._ring()


class _Turns(greenlet):
    """Does something in turns, and when that is done, something else."""

    def __init__(self, rounds: Rounds) -> None:
        super().__init__(self._run)
        self.rounds = rounds
        self._work: Callable[[], None] | None = None

    def begin(self, work: Callable[[], None]) -> None:
        """Begin something, in a context of its own."""
        self.gr_context = Context()
        self._work = work
        self.switch()

    def _run(self) -> None:
        while True:
            while self._work is None:  # also when something ends that nobody waits for any more
                self.pause()
            try:
                self._work()
            except Exception:  # it must not end the thread, which serves all others
                log.exception("not-served")
            self._work = None
            self.rounds.end(self)

    def pause(self) -> None:
        """Return when it is this one's turn again, at the latest when it is let go on."""
        assert self.parent is not None  # noqa: S101 - the thread that serves
        self.parent.switch()


def _current() -> _Turns | None:
    current = getcurrent()
    return current if isinstance(current, _Turns) else None


class Wait:
    """A wait of whoever makes it, which any thread may end; it may be used again."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._turns = _current()

    @property
    def takes_thread(self) -> bool:
        """Whether a thread can do nothing else meanwhile: not the one that serves."""
        return self._turns is None

    def wait(self) -> None:
        """Wait until it is ended, or return at once when it was ended already."""
        if self._turns is None:
            self._over.wait()
        else:
            while not self._over.is_set():
                self._turns.pause()
        self._over.clear()

    def end(self) -> None:
        """End it."""
        self._over.set()
        if self._turns is not None:
            self._turns.rounds.let_go_on(self._turns)


def aside(work: Callable[[], T]) -> T:
    """Return what ``work`` returns. It may take long, so the thread that serves does not do it itself.

    Raises:
        CancelledError: the server ends, and will not do it any more.
        Exception: whatever ``work`` raises.
    """
    here = _current()
    if here is None:
        return work()
    done: Future[T] = Future()
    wait = Wait()
    done.add_done_callback(lambda _: wait.end())
    context = copy_context()
    here.rounds.leave(_Aside(done, lambda: context.run(work)))
    wait.wait()
    return done.result()


class _Aside:
    """Work that another thread does meanwhile."""

    def __init__(self, done: Future[Any], work: Callable[[], Any]) -> None:
        self._done = done
        self._work = work

    def service(self) -> None:
        try:
            self._done.set_result(self._work())
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            self._done.set_exception(error)

    def cancel(self) -> None:
        self._done.cancel()


def ensure_may_wait(*_: object) -> None:
    """Raise AssertionError in the thread that serves: it may wait for nothing."""
    if _current() is not None:
        raise AssertionError("the thread that serves waits for the database: use aside()")
