"""What is measured: the Procfile's processes on a RabbitMQ and a PostgreSQL of their own."""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import psycopg

from benchmarks.meter import Meter
from tests.servers import PostgreSQL, RabbitMQ
from tests.system.installation import ROOT, Installation

LONGEST = 1800.0
"""Seconds that a case may take; against hanging only."""


class Ground:
    """Servers and processes, all gone when the block ends."""

    def __init__(self, *, concurrency: str = "", setup: tuple[str, ...] = ()) -> None:
        self._concurrency = concurrency
        self._setup = setup
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with self._stack:
            folder = tempfile.TemporaryDirectory(prefix="httpca-bench-", ignore_cleanup_errors=True)
            self.folder = Path(self._stack.enter_context(folder))
            self.rabbitmq = self._stack.enter_context(RabbitMQ())
            self.postgresql = self._stack.enter_context(PostgreSQL())
            self.installation = Installation(
                self.folder / "httpca", self.rabbitmq, self.postgresql, self._setup
            )
            self._stack.callback(self.installation.stop)
            self.installation.start(self._concurrency)
            self.token = self.installation.token("bench")
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def meter(self) -> Meter:
        """Return a meter of everything that runs here."""
        return Meter(
            {
                "PostgreSQL": self.postgresql.pids,
                "RabbitMQ": self.rabbitmq.pids,
                "honcho": self.installation.pids,
            }
        )

    def load(self, case: str, count: int, *options: str) -> Any:
        """Run a load and return what it found.

        Raises:
            RuntimeError: the load failed.
        """
        command = [sys.executable, "-m", "benchmarks.load", case, str(self.installation.port)]
        done = subprocess.run(
            [*command, str(count), *options],
            env=os.environ | {"HTTPCA_TOKEN": self.token},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"the load failed:\n{done.stderr[-2000:]}")
        return json.loads(done.stdout)

    def query(self, side: str, statement: str) -> list[tuple[Any, ...]]:
        """Ask a side's database."""
        url = self.installation.database_urls[side].replace("postgresql+psycopg", "postgresql")
        with psycopg.connect(url, autocommit=True) as connection:
            return connection.execute(statement.encode()).fetchall()
