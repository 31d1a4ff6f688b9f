"""What all suites share: servers that start when first asked for, and no test left out."""

from __future__ import annotations

import logging
import signal
from collections.abc import Generator, Iterator

import hypothesis
import pytest

from tests import logs
from tests.servers import PostgreSQL, RabbitMQ, SoftHsm

# No test judges by time: the machine may be busy.
hypothesis.settings.register_profile(
    "httpca", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("httpca")

# A shell that starts us in the background has Ctrl-C ignored, and so would every process of a test
# that is to be ended by it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# While a server starts, every attempt to connect would be reported at length.
logging.getLogger("pika").setLevel(logging.CRITICAL)

NOT_RUN = "A test that is skipped or expected to fail shows nothing; mend it or delete it."


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMQ]:
    """A RabbitMQ for the whole session: give each test a vhost or queues of its own."""
    with RabbitMQ() as server:
        yield server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A PostgreSQL for the whole session: give each test a database of its own."""
    with PostgreSQL() as server:
        yield server


@pytest.fixture(scope="session")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftHsm]:
    """A folder for tokens, which this process and those that it starts see: give each test a token
    of its own."""
    with pytest.MonkeyPatch.context() as patch:
        hsm = SoftHsm(tmp_path_factory.mktemp("softhsm"))
        for name, value in hsm.environment.items():
            patch.setenv(name, value)
        yield hsm


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped or hasattr(report, "wasxfail"):
        fail(report)
    if report.failed:
        report.sections += [(f"end of {log}", end) for log, end in logs.ends()]
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    logs.forget()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped:
        fail(report)
    return report


def fail(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn the report of a test that did not run into that of one that failed."""
    reason = getattr(report, "wasxfail", None) or report.longrepr
    if isinstance(reason, tuple):
        reason = reason[-1]
    report.outcome = "failed"
    report.longrepr = f"{reason}\n{NOT_RUN}"
    vars(report).pop("wasxfail", None)
