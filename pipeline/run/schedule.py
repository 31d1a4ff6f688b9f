"""Clocks: jobs at intervals, by APScheduler, each on a thread of its own.

A job that finds database or broker out of reach comes again soon. Only when that lasts is it said,
once, and once more when it works again: any process may start before what it needs.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from pipeline.actors.patience import first_line, is_infrastructure
from pipeline.clock import now

log = structlog.get_logger(__name__)

Job = Callable[[], None]

SOON: Final = 1.0
"""Seconds after which a job comes again that found something out of reach."""

SAID_AFTER: Final = 5.0
"""Seconds for which that must last before it is worth a warning."""


def schedule(jobs: dict[str, tuple[float, Job]]) -> BackgroundScheduler:
    """Start a clock: each job by name, with its interval in seconds; each runs once at once."""
    scheduler = BackgroundScheduler(
        timezone="UTC",
        executors={"default": ThreadPoolExecutor(len(jobs))},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )
    for name, (seconds, job) in jobs.items():
        # The scheduler's own interval is the shorter one: a job that moved its next run while the
        # scheduler shuts down would wait for it, and be waited for.
        tick = min(seconds, SOON)
        steady = _Steady(name, seconds - tick / 2, job)
        scheduler.add_job(steady, _Every(tick), id=name, next_run_time=now())
    scheduler.start()
    threading.Thread(target=_keep_up, args=[scheduler], name="keep-up", daemon=True).start()
    return scheduler


def _keep_up(scheduler: BackgroundScheduler) -> None:
    """Let jobs go on when the computer's clock is set back: APScheduler goes by the time of day, and
    would run none until that is again what it was, hours later."""
    while scheduler.running:
        time.sleep(SOON)
        moment = now()
        for job in scheduler.get_jobs():
            if job.next_run_time > moment + timedelta(seconds=2 * SOON):
                with suppress(JobLookupError):  # it ends
                    job.modify(next_run_time=moment)


class _Every(BaseTrigger):
    """Each so many seconds, counted from now.

    APScheduler's own interval counts up every run that was missed. After a host was asleep for months,
    or when its clock was first set after the start, that took all memory.
    """

    def __init__(self, seconds: float) -> None:
        self._interval = timedelta(seconds=seconds)

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime:
        """Return when to run next."""
        return now + self._interval


class _Steady:
    """A job that is not ended by what is out of reach, and does not repeat itself about it.

    After it succeeded it rests for ``rest`` seconds.
    """

    def __init__(self, name: str, rest: float, job: Job) -> None:
        self._name = name
        self._rest = rest
        self._job = job
        self._due = 0.0
        self._since: float | None = None
        self._said = False

    def __call__(self) -> None:
        if time.monotonic() < self._due:
            return
        try:
            self._job()
        except Exception as error:
            if is_infrastructure(error):
                self._out_of_reach(error)
                return
            log.exception("clock-job-failed", job=self._name)
        if self._said:
            log.info("clock-goes-on", job=self._name)
        self._since, self._said = None, False
        self._due = time.monotonic() + self._rest

    def _out_of_reach(self, error: Exception) -> None:
        self._since = self._since or time.monotonic()
        if not self._said and time.monotonic() - self._since >= SAID_AFTER:
            said = {"error": type(error).__name__, "why": first_line(error)}
            log.warning("clock-waits", job=self._name, **said)
            self._said = True
