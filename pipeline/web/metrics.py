"""What is measured: answers by endpoint and status, their time, and requests by state."""

import threading
import time
from collections.abc import Iterable
from typing import Final, cast

import structlog
from flask import Flask, Response, current_app, g, request
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from pipeline.database.engine import Database
from pipeline.states import FINAL, State
from pipeline.web.expiries import CertificateEnds
from pipeline.web.notifier import Notifier
from pipeline.web.tables import LANES, requests

log = structlog.get_logger(__name__)

KEY: Final = "httpca-metrics"

COUNT_FINAL_EVERY: Final = 60.0
"""Seconds. To count what is final means to look at every request there ever was."""


class Metrics:
    """One application's metrics, in a registry of its own."""

    def __init__(self, database: Database, notifier: Notifier) -> None:
        self.registry = CollectorRegistry()
        self.answers = Counter(
            "httpca_http_answers",
            "HTTP answers.",
            ("method", "endpoint", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "httpca_http_seconds",
            "Time from a request's arrival to its answer, long polls included.",
            ("endpoint",),
            registry=self.registry,
        )
        self.registry.register(RequestsByState(database))
        self.registry.register(LongPolls(notifier))
        self.registry.register(CertificateEnds(database))


class RequestsByState(Collector):
    """Counts requests by state: the unfinished ones each time, the final ones once a minute."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._final: dict[str, int] = {}
        self._count_again = 0.0

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Describe the metric without asking the database, when it is registered."""
        return [self._family()]

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Count; nothing is said while the database is out of reach."""
        try:
            counts = self._counts()
        except SQLAlchemyError as error:
            log.warning("requests-not-counted", error=type(error).__name__)
            return []
        family = self._family()
        for state in State:
            family.add_metric([state.value], counts.get(state.value, 0))
        return [family]

    def _counts(self) -> dict[str, int]:
        by_state = select(requests.c.state, func.count()).group_by(requests.c.state)
        with self._lock, self._database.read() as connection:
            if time.monotonic() >= self._count_again:
                rows = connection.execute(by_state.where(requests.c.state.in_(FINAL)))
                self._final = {state: count for state, count in rows}  # noqa: C416 - rows of two
                self._count_again = time.monotonic() + COUNT_FINAL_EVERY
            counts = dict(self._final)
            for lane in LANES:
                for state, count in connection.execute(by_state.where(lane)):
                    counts[state] = counts.get(state, 0) + count
            return counts

    @staticmethod
    def _family() -> GaugeMetricFamily:
        return GaugeMetricFamily("httpca_requests", "Requests by state.", labels=["state"])


class LongPolls(Collector):
    """Says how many answers are held at the moment."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Count."""
        family = GaugeMetricFamily("httpca_long_polls", "Answers held until a state is final.")
        family.add_metric([], self._notifier.waiting)
        return [family]


def set_up(app: Flask, database: Database, notifier: Notifier) -> None:
    """Measure every answer of the application."""
    app.extensions[KEY] = Metrics(database, notifier)
    app.before_request(_begin)
    app.after_request(_count)


def metrics() -> Metrics:
    """Return the metrics of the application that answers at the moment."""
    return cast(Metrics, current_app.extensions[KEY])


def _begin() -> None:
    g.begun = time.monotonic()


def _count(response: Response) -> Response:
    endpoint = request.endpoint or "none"
    # A method is the client's word: unknown ones would be as many labels as it likes.
    method = request.method if request.endpoint else "none"
    metrics().answers.labels(method, endpoint, str(response.status_code)).inc()
    metrics().seconds.labels(endpoint).observe(time.monotonic() - g.begun)
    return response
