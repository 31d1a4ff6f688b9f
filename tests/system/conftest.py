"""An installation on real servers, started once for the tests that only use it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.tally import TALLY
from tests.servers import PostgreSQL, RabbitMQ
from tests.summary import tell
from tests.system.guarded import Guarded
from tests.system.installation import Installation


@pytest.fixture(scope="session")
def installation(rabbitmq: RabbitMQ, postgresql: PostgreSQL) -> Iterator[Installation]:
    """HttpCA on RabbitMQ and PostgreSQL, with three signer workers and two approvers."""
    with tempfile.TemporaryDirectory(prefix="httpca-system-") as folder:
        made = Installation(
            Path(folder) / "httpca",
            rabbitmq,
            postgresql,
            ("--approver", "approver", "--approver", "approver-2"),
        )
        try:
            made.start("signer-worker=3")
            yield made
        finally:
            made.remove()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what the attacks came to, when any were tried."""
    tally = config.stash.get(TALLY, None)
    if tally is not None:
        terminalreporter.write_line(tell(tally.sentence()))


@pytest.fixture(scope="session")
def guarded(rabbitmq: RabbitMQ, postgresql: PostgreSQL) -> Iterator[Guarded]:
    """HttpCA's accounts with their least rights on RabbitMQ and PostgreSQL; no process runs."""
    with tempfile.TemporaryDirectory(prefix="httpca-guarded-") as folder:
        made = Guarded(
            Path(folder) / "httpca",
            rabbitmq_port=rabbitmq.port,
            postgresql_port=postgresql.port,
            tls="none",
        )
        made.apply(rabbitmq, postgresql)
        try:
            yield made
        finally:
            made.remove()
