"""HttpCA as an operator runs it: set up, migrated, and started by honcho from the Procfile."""

import contextlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import requests

from tests import logs
from tests.servers import PostgreSQL, RabbitMQ, softhsm
from tests.servers.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = Path(sys.executable).parent

UP_WITHIN = 240.0
DOWN_WITHIN = 120.0
"""Seconds; against hanging only."""


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a user who has HttpCA's commands in their PATH, and nothing else."""
    names = ("HOME", "LANG", "TMPDIR", softhsm.VARIABLE)
    kept = {name: os.environ[name] for name in names if name in os.environ}
    path = f"{COMMANDS}:{os.environ['PATH']}"
    coverage = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    return {**kept, **coverage, "PATH": path, "PYTHONUNBUFFERED": "1", **more}


def httpca(
    *arguments: str | Path, timeout: float = 120.0, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run an ``httpca`` command, with further variables; its exit code is the caller's to judge."""
    return subprocess.run(
        [COMMANDS / "httpca", *arguments],
        env=environment(**variables),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def done(completed: subprocess.CompletedProcess[str]) -> str:
    """Return what a command printed, when it ended well."""
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return completed.stdout


STARTED = ("web-worker", "signer-worker", "web-clock", "signer-clock")
"""The processes that say in the log when they are up; there is one of each unless told otherwise."""

UNLIMITED = {"HTTPCA_WEB_LIMITS_ADDRESS": "0", "HTTPCA_WEB_LIMITS_REQUESTER": "0"}
"""One address asks for everybody in tests and benchmarks."""


class Installation:
    """Both sides on RabbitMQ and PostgreSQL, with five or more processes."""

    def __init__(
        self,
        directory: Path,
        rabbitmq: RabbitMQ,
        postgresql: PostgreSQL,
        setup_options: Sequence[str] = (),
    ) -> None:
        self.directory = directory
        self.rabbitmq = rabbitmq
        self.postgresql = postgresql
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        tag = secrets.token_hex(4)
        self.vhost = f"httpca-{tag}"
        self.databases = {side: f"httpca_{side}_{tag}" for side in ("web", "signer")}
        self._honcho: subprocess.Popen[str] | None = None
        self.variables = {"HTTPCA_HOME": str(directory), "PORT": str(self.port)}
        self.tokens = directory / "web"
        self.log = directory.with_suffix(".log")
        rabbitmq.add_vhost(self.vhost)
        self.broker = rabbitmq.url(vhost=self.vhost)
        urls = {side: postgresql.create_database(name) for side, name in self.databases.items()}
        self.database_urls = urls
        done(
            httpca(
                "setup",
                directory,
                "--web-database",
                urls["web"],
                "--signer-database",
                urls["signer"],
                "--broker",
                self.broker,
                *setup_options,
            )
        )
        for side in urls:
            done(httpca("migrate", "--config", directory / side))

    def start(self, concurrency: str = "") -> None:
        """Start the Procfile's processes, and wait until the web answers and all of them are up."""
        command = [str(COMMANDS / "honcho"), "start", "-f", str(ROOT / "Procfile")]
        if concurrency:
            command += ["-c", concurrency]
        expected = Counter(STARTED)
        for kind, _, number in (one.partition("=") for one in concurrency.split(",") if one):
            if kind in expected:
                expected[kind] = int(number)
        logs.follow(self.log)
        self.log.touch()
        before = self._started()
        with self.log.open("a") as log:
            self._honcho = subprocess.Popen(
                command,
                env=environment(**self.variables, **UNLIMITED),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        deadline = time.monotonic() + UP_WITHIN
        while not (self._is_ready() and self._started() - before >= expected):
            assert self._honcho.poll() is None, self.log_text()
            assert time.monotonic() < deadline, self.log_text()
            time.sleep(0.1)

    def stop(self) -> int:
        """Stop all processes as Ctrl-C does; return honcho's exit code."""
        if self._honcho is None:
            return 0
        honcho, self._honcho = self._honcho, None
        if honcho.poll() is None:
            honcho.send_signal(signal.SIGINT)
        try:
            return honcho.wait(DOWN_WITHIN)
        finally:
            logs.keep(self.log)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(honcho.pid, signal.SIGKILL)

    def remove(self) -> None:
        """Stop, and remove databases and vhost."""
        self.stop()
        for name in self.databases.values():
            self.postgresql.drop_database(name)
        self.rabbitmq.delete_vhost(self.vhost)

    @property
    def pids(self) -> list[int]:
        """The process that all others are children of."""
        return [] if self._honcho is None else [self._honcho.pid]

    def token(self, name: str) -> str:
        """Make a requester's token."""
        printed = done(httpca("token", "create", name, "--config", self.tokens))
        found = re.search(r"httpca_[A-Za-z0-9_-]+", printed)
        assert found is not None, printed
        return found[0]

    def approve(self, *arguments: str, approver: str = "approver") -> Any:
        """Run ``httpca approve ... --json`` and return what it printed."""
        config = self.directory / "approvers" / approver
        return json.loads(done(httpca("approve", "--config", config, *arguments, "--json")))

    def log_text(self) -> str:
        """Return the end of what all processes logged."""
        return self.log.read_text("utf-8", errors="replace")[-20_000:]

    def logged(self) -> list[dict[str, Any]]:
        """Return every JSON line that the processes logged; the last one may be half written yet."""
        whole, _, _ = self.log.read_text("utf-8", errors="replace").rpartition("\n")
        found = (re.search(r"\| (\{.*\})$", line) for line in whole.splitlines())
        return [json.loads(match[1]) for match in found if match]

    def _is_ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def _started(self) -> Counter[str]:
        """Count how often a process of each kind has said that it is up."""
        events = ("worker-started", "clock-started")
        return Counter(line["process"] for line in self.logged() if line["event"] in events)
