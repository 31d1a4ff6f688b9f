"""Waiting without holding up the thread that serves."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextvars import ContextVar

import pytest
from structlog.testing import capture_logs

from pipeline.web.aside import Rounds, Task, Wait, aside, ensure_may_wait

NOT_FOR_EVER = 60.0
"""Seconds; against hanging only."""


class Thread:
    """A thread that serves, whose turns a test takes: this one. Tasks are done when it says so."""

    def __init__(self) -> None:
        self.rung = threading.Event()
        self.tasks: deque[Task] = deque()
        self.rounds = Rounds(self.rung.set, self.tasks.append)
        self.said: list[str] = []

    def begin(self, work: Callable[[], None]) -> None:
        self.rounds.begin(work)
        self.rounds.hand_over()

    def elsewhere(self, work: Callable[[], None]) -> None:
        """Do this in another thread, and return when it is done."""
        other = threading.Thread(target=work, daemon=True)
        other.start()
        other.join(NOT_FOR_EVER)
        assert not other.is_alive()

    def do_task(self) -> None:
        """Have the next task done by another thread, and go on."""
        self.elsewhere(self.tasks.popleft().service)
        assert self.rung.wait(NOT_FOR_EVER)
        self.rung.clear()
        self.rounds.go_on()
        self.rounds.hand_over()


@pytest.fixture
def serving() -> Thread:
    return Thread()


def test_others_go_on_while_one_waits(serving: Thread) -> None:
    waits: list[Wait] = []

    def waiting() -> None:
        waits.append(Wait())
        serving.said.append("waits")
        waits[0].wait()
        serving.said.append("goes on")

    serving.begin(waiting)
    serving.begin(lambda: serving.said.append("another"))
    serving.rounds.go_on()
    assert serving.said == ["waits", "another"]
    serving.elsewhere(waits[0].end)
    assert serving.rung.is_set()
    serving.rounds.go_on()
    assert serving.said == ["waits", "another", "goes on"]


def test_a_wait_that_was_ended_before_does_not_wait(serving: Thread) -> None:
    def work() -> None:
        wait = Wait()
        wait.end()
        wait.wait()
        serving.said.append("done")

    serving.begin(work)
    serving.rounds.go_on()  # with what is over by now
    assert serving.said == ["done"]


def test_the_end_of_one_wait_is_not_that_of_another(serving: Thread) -> None:
    waits: list[Wait] = []

    def work() -> None:
        waits.extend((Wait(), Wait()))
        for wait in waits:
            wait.wait()
            serving.said.append("over")

    serving.begin(work)
    for _ in range(2):
        waits[0].end()
    serving.rounds.go_on()
    assert serving.said == ["over"]
    waits[1].end()
    serving.rounds.go_on()
    assert serving.said == ["over", "over"]


def test_a_wait_that_ends_late_begins_nothing_again(serving: Thread) -> None:
    waits: list[Wait] = []

    def work() -> None:
        waits.append(Wait())
        serving.said.append("done")

    def waiting() -> None:
        waits.append(Wait())
        waits[-1].wait()
        serving.said.append("over")

    serving.begin(work)
    with capture_logs() as logged:
        waits[0].end()
        serving.rounds.go_on()
        serving.begin(waiting)
        waits[0].end()
        serving.rounds.go_on()
    assert (serving.said, logged) == (["done"], [])
    waits[1].end()
    serving.rounds.go_on()
    assert serving.said == ["done", "over"]


def test_what_is_begun_knows_nothing_of_what_was_before(serving: Thread) -> None:
    subject = ContextVar("subject", default="nobody")

    def work() -> None:
        serving.said.append(subject.get())
        subject.set("somebody")
        Wait().end()

    for _ in range(3):
        serving.begin(work)
        serving.rounds.go_on()
    assert serving.said == ["nobody"] * 3


def test_an_ordinary_thread_just_waits() -> None:
    wait = Wait()
    done = threading.Event()

    def end() -> None:
        done.set()
        wait.end()

    timer = threading.Timer(0.05, end)
    timer.start()
    wait.wait()
    assert done.is_set()
    timer.join()
    wait.end()
    wait.wait()  # it may be used again


def test_what_takes_long_is_done_by_another_thread(serving: Thread) -> None:
    here, subject = threading.get_ident(), ContextVar("subject", default="")
    found: list[tuple[bool, str]] = []

    def work() -> None:
        subject.set("ours")
        found.append(aside(lambda: (threading.get_ident() == here, subject.get())))

    serving.begin(work)
    assert found == []
    serving.do_task()
    assert found == [(False, "ours")]


def test_what_goes_wrong_there_is_raised_here(serving: Thread) -> None:
    def wrong() -> None:
        raise ValueError("there")

    def work() -> None:
        with pytest.raises(ValueError, match="there"):
            aside(wrong)
        serving.said.append("raised")

    serving.begin(work)
    serving.do_task()
    assert serving.said == ["raised"]


def test_what_will_not_be_done_any_more_is_said_to_be_cancelled(serving: Thread) -> None:
    def work() -> None:
        with pytest.raises(CancelledError):
            aside(lambda: serving.said.append("done"))

    serving.begin(work)
    serving.tasks.popleft().cancel()
    serving.rounds.go_on()
    assert serving.said == []


def test_an_ordinary_thread_does_by_itself_what_takes_long() -> None:
    assert aside(threading.get_ident) == threading.get_ident()


def test_what_goes_wrong_ends_nothing_else(serving: Thread) -> None:
    def wrong() -> None:
        raise ValueError("its own")

    with capture_logs() as logged:
        serving.begin(wrong)
    serving.begin(lambda: serving.said.append("another"))
    assert [entry["event"] for entry in logged] == ["not-served"]
    assert serving.said == ["another"]


def test_the_serving_thread_may_not_wait_for_the_database(serving: Thread) -> None:
    ensure_may_wait()

    def work() -> None:
        with pytest.raises(AssertionError, match="aside"):
            ensure_may_wait()
        aside(ensure_may_wait)
        serving.said.append("asked")

    serving.begin(work)
    serving.do_task()
    assert serving.said == ["asked"]
