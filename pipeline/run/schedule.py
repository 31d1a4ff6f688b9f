"""Clocks: jobs at intervals, by APScheduler, all on one thread.

A job that finds database or broker out of reach says so once, and once more when it works again.
"""

from collections.abc import Callable
from typing import Final

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from pipeline.actors.patience import is_infrastructure
from pipeline.clock import now

log = structlog.get_logger(__name__)

Job = Callable[[], None]


def schedule(jobs: dict[str, tuple[float, Job]]) -> BackgroundScheduler:
    """Start a clock: each job by name, with its interval in seconds; each runs once at once."""
    scheduler = BackgroundScheduler(
        timezone="UTC",
        executors={"default": ThreadPoolExecutor(1)},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )
    for name, (seconds, job) in jobs.items():
        scheduler.add_job(
            _Steady(name, job), "interval", seconds=seconds, id=name, next_run_time=now()
        )
    scheduler.start()
    return scheduler


class _Steady:
    """A job that is not ended by what is out of reach, and does not repeat itself about it."""

    def __init__(self, name: str, job: Job) -> None:
        self.name: Final = name
        self.job: Final = job
        self._waiting = False

    def __call__(self) -> None:
        try:
            self.job()
        except Exception as error:
            if not is_infrastructure(error):
                log.exception("clock-job-failed", job=self.name)
            elif not self._waiting:
                log.warning("clock-waits", job=self.name, error=type(error).__name__)
                self._waiting = True
        else:
            if self._waiting:
                log.info("clock-goes-on", job=self.name)
                self._waiting = False
