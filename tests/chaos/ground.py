"""What HttpCA stands on in a chaos run: its servers, its folder, and settings that are quick."""

import re
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self

import psycopg

from tests.chaos.crew import Crew, Service
from tests.servers import PostgreSQL, RabbitMQ
from tests.servers.ports import free_port
from tests.system.installation import UNLIMITED, done, httpca

SIDES: Final = ("web", "signer")

LEASE: Final = 3.0
"""Seconds; shorter than a process is frozen."""

HEARTBEAT: Final = 2
"""Seconds; RabbitMQ gives a client up after two to three times as many."""

QUICK: Final = UNLIMITED | {
    "HTTPCA_WEB_HTTP_THREADS": "8",
    "HTTPCA_WEB_HTTP_LONG_POLLS": "4",
    "HTTPCA_WEB_WORKER_LEASE": str(LEASE),
    "HTTPCA_WEB_WORKER_BATCH": "50",
    "HTTPCA_WEB_ASK_FIRST": "2",
    "HTTPCA_WEB_ASK_FACTOR": "1.5",
    "HTTPCA_WEB_ASK_LONGEST": "6",
    "HTTPCA_WEB_CLOCK_POLL": "1",
    "HTTPCA_WEB_CLOCK_SWEEP": "1",
    "HTTPCA_WEB_CLOCK_HEARTBEAT": "1",
    "HTTPCA_SIGNER_WORKER_LEASE": str(LEASE),
    "HTTPCA_SIGNER_WORKER_BATCH": "50",
    "HTTPCA_SIGNER_CLOCK_SWEEP": "1",
    "HTTPCA_SIGNER_CLOCK_HEARTBEAT": "1",
    "HTTPCA_SIGNER_CLOCK_ANNOUNCE": "10",
}
"""What waits for half a minute in production waits for a second here."""

CREW: Final = {
    "web": 2,
    "web-worker": 2,
    "web-clock": 1,
    "signer-worker": 3,
    "signer-clock": 1,
}
"""How many of each kind run."""


class Ground:
    """RabbitMQ, of one node or several, a PostgreSQL for each side, and the folder of `httpca setup`.

    The servers' data stay over their ends; everything is gone when the block ends.
    """

    def __init__(self, settings: Mapping[str, str] = QUICK, nodes: int = 1) -> None:
        self.settings = settings
        self.rabbitmq = RabbitMQ(settings={"connection_max": 60})
        self.others = [
            RabbitMQ(name=f"httpca{number}", beside=self.rabbitmq) for number in range(2, nodes + 1)
        ]
        self.postgresql = {
            "web": PostgreSQL(max_connections=80),
            "signer": PostgreSQL(max_connections=60),
        }
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with self._stack:
            folder = tempfile.TemporaryDirectory(prefix="httpca-chaos-", ignore_cleanup_errors=True)
            self.folder = Path(self._stack.enter_context(folder))
            self.directory = self.folder / "httpca"
            servers: list[RabbitMQ | PostgreSQL] = [self.rabbitmq, *self.postgresql.values()]
            for server in servers:
                self._stack.callback(server.stop)
            with ThreadPoolExecutor(len(servers)) as starters:
                list(starters.map(lambda server: server.start(), servers))
            for node in self.others:
                self._stack.callback(node.stop)
                node.start()
            self._set_up()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def approver(self) -> Path:
        """The folder of the approver."""
        return self.directory / "approvers" / "approver"

    def connect(self, side: str) -> psycopg.Connection[tuple[Any, ...]]:
        """Return a connection to a side's database, which reports every statement at once."""
        url = self.databases[side].replace("postgresql+psycopg", "postgresql")
        return psycopg.connect(url, autocommit=True, connect_timeout=5)

    def crew(
        self, numbers: Mapping[str, int] = CREW, more: Mapping[str, Mapping[str, str]] | None = None
    ) -> Crew:
        """Return the processes, none of them started yet; ``more`` is set for those of a kind."""
        services = []
        self.urls = []
        for kind, count in numbers.items():
            for number in range(1, count + 1):
                settings = {**self.settings, "HTTPCA_HOME": str(self.directory)}
                settings |= (more or {}).get(kind, {})
                if kind == "web":
                    port = free_port()
                    settings["PORT"] = str(port)
                    self.urls.append(f"http://127.0.0.1:{port}")
                services.append(Service(kind, number, settings, self.folder))
        return Crew(services)

    def token(self, name: str) -> str:
        """Make a requester's token."""
        printed = done(httpca("token", "create", name, "--config", self.directory / "web"))
        found = re.search(r"httpca_[A-Za-z0-9_-]+", printed)
        assert found is not None, printed
        return found[0]

    def heartbeats_missed(self) -> int:
        """Count the clients that RabbitMQ gave up because they were silent."""
        return self.rabbitmq.log_text().count("missed heartbeats from client")

    def _set_up(self) -> None:
        nodes = (self.rabbitmq, *self.others)
        self.broker = ";".join(f"{node.url()}?heartbeat={HEARTBEAT}" for node in nodes)
        self.databases = {
            side: self.postgresql[side].create_database(f"httpca_{side}") for side in SIDES
        }
        done(
            httpca(
                "setup",
                self.directory,
                *("--web-database", self.databases["web"]),
                *("--signer-database", self.databases["signer"]),
                *("--broker", self.broker, "--approver", "approver"),
            )
        )
        with ThreadPoolExecutor(len(SIDES)) as commands:
            migrate = commands.map(
                lambda side: httpca("migrate", "--config", self.directory / side), SIDES
            )
            for migrated in migrate:
                done(migrated)
