"""Clocks: jobs at intervals that what is out of reach does not end."""

import threading
import time
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Self

import pytest
from apscheduler.schedulers import base
from structlog.testing import capture_logs

from pipeline.errors import BrokerUnavailable
from pipeline.run import schedule as schedules
from pipeline.run.schedule import schedule

SOON = 60.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedules, "SOON", 0.02)
    monkeypatch.setattr(schedules, "SAID_AFTER", 0.0)


def test_a_job_runs_at_once_and_again_after_its_interval() -> None:
    runs: list[float] = []
    thrice = threading.Event()

    def job() -> None:
        runs.append(time.monotonic())
        if len(runs) == 3:
            thrice.set()

    scheduler = schedule({"job": (0.1, job)})
    assert thrice.wait(SOON)
    scheduler.shutdown()

    assert all(later - earlier > 0.05 for earlier, later in pairwise(runs))


def test_a_job_goes_on_when_the_clock_is_set_back_by_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    class Moved(datetime):
        by = timedelta()

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + cls.by

    monkeypatch.setattr(base, "datetime", Moved)
    monkeypatch.setattr(schedules, "now", lambda: Moved.now(UTC))
    runs = threading.Semaphore(0)
    scheduler = schedule({"job": (0.02, runs.release)})
    assert runs.acquire(timeout=SOON)

    Moved.by = -timedelta(hours=2)

    assert all(runs.acquire(timeout=SOON) for _ in range(50))
    scheduler.shutdown()


def test_a_jump_of_the_clock_ahead_is_one_run_and_not_all_that_were_missed() -> None:
    scheduler = schedule({"job": (0.02, lambda: None)})
    (job,) = scheduler.get_jobs()
    ahead = job.next_run_time + timedelta(days=20_000)  # a clock that began in 1970
    assert job.trigger.get_next_fire_time(job.next_run_time, ahead) > ahead
    scheduler.shutdown()


def test_a_job_that_finds_something_out_of_reach_comes_again_before_its_interval_is_over() -> None:
    tries: list[int] = []
    done = threading.Event()

    def job() -> None:
        tries.append(1)
        if len(tries) < 4:
            raise BrokerUnavailable("out")
        done.set()

    scheduler = schedule({"job": (3600.0, job)})
    assert done.wait(SOON)
    scheduler.shutdown()


def test_a_job_that_waits_says_why_once() -> None:
    tries: list[int] = []
    done = threading.Event()

    def job() -> None:
        tries.append(1)
        if len(tries) < 4:
            raise BrokerUnavailable("Connection refused")
        done.set()

    with capture_logs() as lines:
        scheduler = schedule({"job": (3600.0, job)})
        assert done.wait(SOON)
        scheduler.shutdown()
    assert [line["why"] for line in lines if line["event"] == "clock-waits"] == [
        "Connection refused"
    ]


def test_a_job_with_a_defect_does_not_end_the_others() -> None:
    done = threading.Event()

    def broken() -> None:
        raise ZeroDivisionError

    scheduler = schedule({"broken": (0.01, broken), "good": (0.01, done.set)})
    assert done.wait(SOON)
    scheduler.shutdown()


def test_a_clock_ends_in_the_middle_of_a_failing_job() -> None:
    begun = threading.Event()

    def job() -> None:
        begun.set()
        time.sleep(0.2)
        raise BrokerUnavailable("out")

    scheduler = schedule({"job": (3600.0, job)})
    assert begun.wait(SOON)
    ended = threading.Thread(target=scheduler.shutdown)
    ended.start()
    ended.join(SOON)

    assert not ended.is_alive()
