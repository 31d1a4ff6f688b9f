"""What is measured: the Procfile's processes on a RabbitMQ and a PostgreSQL of their own."""

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Protocol, Self

import psycopg

from benchmarks.meter import Meter
from tests.servers import PostgreSQL, RabbitMQ
from tests.servers.ports import listens
from tests.system.installation import UP_WITHIN, Installation, done, httpca

SETTINGS: Final = {"shared_buffers": "128MB"}
"""PostgreSQL's own default, which the tests' servers undercut."""


PER_CORE: Final = ("signer-worker",)
"""Processes of which there is one for each core, since one of them keeps one core busy."""


def usual_processes() -> str:
    """Return how many of each process is usual on this machine, as honcho's -c has it."""
    cores = len(os.sched_getaffinity(0))
    return ",".join(f"{name}={cores}" for name in PER_CORE)


class Running(Protocol):
    """Servers that run."""

    rabbitmq: RabbitMQ
    postgresql: PostgreSQL


class Servers:
    """The RabbitMQ and the PostgreSQL that all installations of one run use."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with self._stack:
            self.rabbitmq = self._stack.enter_context(RabbitMQ())
            self.postgresql = self._stack.enter_context(PostgreSQL(settings=SETTINGS))
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


class Ground:
    """One installation on these servers, gone with its databases when the block ends.

    Args:
        setup: further options of `httpca setup`.
        processes: how many of each, as honcho's -c has it.
        variables: further ones in the processes' environment.
    """

    def __init__(
        self,
        servers: Running,
        *,
        setup: tuple[str, ...] = (),
        processes: str = "",
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._servers = servers
        self._setup = setup
        self._processes = processes
        self._variables = dict(variables or {})
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with self._stack:
            folder = tempfile.TemporaryDirectory(prefix="httpca-bench-", ignore_cleanup_errors=True)
            self.folder = Path(self._stack.enter_context(folder))
            self.installation = Installation(
                self.folder / "httpca",
                self._servers.rabbitmq,
                self._servers.postgresql,
                self._setup,
            )
            self._stack.callback(self.installation.remove)
            self.installation.variables |= self._variables
            self.installation.start(self._processes)
            self._wait_for_ports()
            self.token = self.installation.token("bench")
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def ports(self) -> list[int]:
        """Where the processes `web` listen: honcho gives each the next port."""
        count = int(self._counts().get("web", 1))
        return [self.installation.port + number for number in range(count)]

    def _wait_for_ports(self) -> None:
        """Return when every process `web` listens; all others are up.

        Raises:
            TimeoutError: one does not.
        """
        deadline = time.monotonic() + UP_WITHIN
        while not all(listens(port) for port in self.ports):
            if time.monotonic() > deadline:
                raise TimeoutError(self.installation.log_text())
            time.sleep(0.1)

    def _counts(self) -> dict[str, str]:
        pairs = (item.partition("=") for item in self._processes.split(",") if item)
        return {name: count for name, _, count in pairs}

    def meter(self) -> Meter:
        """Return a meter of everything that runs here."""
        return Meter(
            {
                "PostgreSQL": self._servers.postgresql.pids,
                "RabbitMQ": self._servers.rabbitmq.pids,
                "honcho": self.installation.pids,
            }
        )

    def sizes(self) -> dict[str, int]:
        """Return the bytes of each side's database."""
        statement = "SELECT pg_database_size(current_database())"
        return {side: int(self.query(side, statement)[0][0]) for side in ("web", "signer")}

    def query(self, side: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask a side's database."""
        url = self.installation.database_urls[side].replace("postgresql+psycopg", "postgresql")
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            while cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description else []

    def verified(self) -> str:
        """Let `httpca audit verify` prove the whole log; return what it says.

        Raises:
            AssertionError: something was found.
        """
        config = self.installation.directory / "signer"
        return done(httpca("audit", "verify", "--config", config, timeout=1800)).strip()

    def missing(self) -> int:
        """Count the certificates without the audit entry of their request's first or last step, on
        both sides, and the signer's requests that have not as many entries as changes of state (0)."""
        told = "FROM audit a WHERE a.request_id = r.id AND a.event = 'state-changed'"
        ends = f"""
            SELECT count(*) FROM requests r WHERE r.state = 'issued'
            AND (NOT EXISTS (SELECT {told} AND a.details->>'to' = 'issued')
                 OR NOT EXISTS (SELECT {told} AND a.details->>'from' IS NULL))
        """
        changes = f"""
            SELECT count(*) FROM requests r WHERE r.state = 'issued'
            AND r.revision <> (SELECT count(*) {told})
        """
        asked = [("web", ends), ("signer", ends), ("signer", changes)]
        return sum(int(self.query(side, statement)[0][0]) for side, statement in asked)

    def issued(self) -> int:
        """Count the certificates that both sides say are issued.

        Raises:
            AssertionError: they differ.
        """
        statement = "SELECT count(*) FROM requests WHERE state = 'issued'"
        counts = {side: int(self.query(side, statement)[0][0]) for side in ("web", "signer")}
        assert counts["web"] == counts["signer"], counts
        return counts["web"]


def pin(pid: int, cores: set[int]) -> None:
    """Let a process, with all its threads, run on these cores only."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


def output(*command: str) -> str:
    """Return what a command prints, without blanks around it."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
