"""A RabbitMQ of our own, from the distribution's package.

Debian's wrapper in /usr/sbin changes user; the package's own script, in /usr/lib, runs as whoever
starts it. Node name, ports, cookie, data, log and epmd (the name server of Erlang) are this one's
alone, and everything listens on the loopback only.
"""

from __future__ import annotations

import secrets
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import pika
from pika.exceptions import AMQPError

from tests.servers.erlang import epmd, scripts
from tests.servers.ports import LOOPBACK, free_port, listens
from tests.servers.process import ServerError, ServerProcess, temporary_folder
from tests.servers.rabbitmq_folder import configure, environment
from tests.servers.server import Server


class RabbitMQ(Server):
    """One RabbitMQ node, with an administrator's account and the vhost ``/``.

    Args:
        directory: where its files lie, kept when it stops; a temporary folder when None.
        port: for AMQP; a free one when None. It stays the same over a restart.
        settings: further lines of its configuration file, by their keys.
        name: of the node, which must be its own in a cluster.
        plugins: what it enables. With them, or when it speaks TLS only, it is ready when it says so.
        beside: a node that is started before this one, ended after it, and that it makes a cluster
            with: both have one cookie and one epmd.
    """

    user = "guest"
    password = "guest"

    def __init__(
        self,
        directory: Path | None = None,
        *,
        port: int | None = None,
        settings: Mapping[str, object] | None = None,
        plugins: Sequence[str] = (),
        name: str = "httpca",
        beside: RabbitMQ | None = None,
    ) -> None:
        self.port = port or free_port()
        self.node = f"{name}@localhost"
        self.settings = dict(settings or {})
        self.plugins = tuple(plugins)
        if beside is not None:
            backend = "cluster_formation.peer_discovery_backend"
            self.settings |= {
                backend: "classic_config",
                "cluster_formation.classic_config.nodes.1": beside.node,
            }
        self._beside = beside
        self._given = directory
        self._distribution_port = free_port()
        self._epmd_port: int = free_port() if beside is None else beside._epmd_port
        self._folder: Path | None = None
        self._epmd: ServerProcess | None = None
        self._node: ServerProcess | None = None

    @property
    def running(self) -> bool:
        return self._node is not None and self._node.running

    @property
    def pids(self) -> list[int]:
        """The processes that we started and that are to be gone after `stop`."""
        return [process.pid for process in (self._node, self._epmd) if process is not None]

    def url(self, user: str = user, password: str = password, vhost: str = "/") -> str:
        """Return the AMQP URL for an account and a vhost."""
        credentials = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return f"amqp://{credentials}@{LOOPBACK}:{self.port}/{quote(vhost, safe='')}"

    def start(self) -> None:
        """Start it and return when it speaks AMQP; go on with the data of the last time.

        Raises:
            ServerError: it is not installed, or did not start; with the end of its log.
        """
        if self.running:
            return
        folder = self._prepare()
        variables = self._environment(folder)
        if self._epmd is None and self._beside is None:
            # Ours from the start, so that it is known which one to end: the node would start one of
            # its own, which nobody ends, if it found none.
            self._epmd = ServerProcess(
                [epmd(), "-address", LOOPBACK, "-port", str(self._epmd_port)],
                log=folder / "epmd.log",
                folder=folder,
                environment=variables,
            )
            self._epmd.wait_until(lambda: listens(self._epmd_port), seconds=240)
        self._node = ServerProcess(
            [scripts() / "rabbitmq-server"],
            log=folder / "output.log",
            folder=folder,
            environment=variables,
        )
        try:
            self._node.wait_until(self._speaks_amqp, seconds=240)
        except BaseException:
            self.kill()
            self._clean_up()
            raise

    def stop(self) -> None:
        """Stop it in an orderly way, with its epmd; remove the folder if it was a temporary one."""
        try:
            if self._node is not None and self._node.running:
                self._node.stop(signal.SIGTERM, seconds=120)
        finally:
            self._clean_up()

    def kill(self) -> None:
        """End it in an instant, as a power cut would; its files stay for the next `start`."""
        if self._node is not None:
            self._node.kill()
            self._node = None

    def restart(self) -> None:
        """Stop it in an orderly way, unless it was killed, and start it with the same data."""
        if self._node is not None and self._node.running:
            self._node.stop(signal.SIGTERM, seconds=120)
        self._node = None
        self.start()

    def add_vhost(self, vhost: str) -> None:
        """Make a vhost in which the administrator may do everything."""
        self.ctl("add_vhost", vhost)
        self.set_permissions(self.user, vhost)

    def delete_vhost(self, vhost: str) -> None:
        """Remove a vhost with all its queues."""
        self.ctl("delete_vhost", vhost)

    def add_user(self, user: str, password: str) -> None:
        """Make an account, which may do nothing yet."""
        self.ctl("add_user", user, password)

    def set_permissions(
        self,
        user: str,
        vhost: str = "/",
        *,
        configure: str = ".*",
        write: str = ".*",
        read: str = ".*",
    ) -> None:
        """Say, by regular expressions over names, what an account may do in a vhost."""
        self.ctl("set_permissions", "--vhost", vhost, user, configure, write, read)

    def queues(self, vhost: str = "/") -> dict[str, int]:
        """Return the queues of a vhost and the number of messages in each, also unacknowledged."""
        table = self.ctl("list_queues", "--vhost", vhost, "--no-table-headers", "name", "messages")
        rows = (line.rsplit("\t", 1) for line in table.splitlines() if "\t" in line)
        return {name: int(messages) for name, messages in rows}

    def leaders(self, vhost: str = "/") -> dict[str, str]:
        """Return the node that leads each quorum queue of a vhost."""
        table = self.ctl("list_queues", "--vhost", vhost, "--no-table-headers", "name", "leader")
        rows = (line.split("\t") for line in table.splitlines())
        return {row[0]: row[1] for row in rows if len(row) == 2 and row[1]}

    def ctl(self, *arguments: str) -> str:
        """Run a rabbitmqctl command (each takes a second or two) and return its output.

        Raises:
            ServerError: the command failed; with what it printed.
        """
        if self._folder is None:
            raise ServerError("rabbitmqctl needs a running server")
        done = subprocess.run(
            [scripts() / "rabbitmqctl", "--quiet", *arguments],
            cwd=self._folder,
            env=self._environment(self._folder),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ServerError(f"rabbitmqctl {arguments[0]} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def log_text(self) -> str:
        """Return what the node has logged."""
        if self._folder is None:
            raise ServerError("there is no log before the first start")
        logs = sorted((self._folder / "log").glob("*.log"))
        return "".join(log.read_text("utf-8", errors="replace") for log in logs)

    def _prepare(self) -> Path:
        """Make the folder with the configuration, unless it is there from an earlier start."""
        if self._folder is None:
            if self._given is None:
                self._folder = temporary_folder(self, "rabbitmq")
            else:
                self._given.mkdir(parents=True, exist_ok=True)
                self._folder = self._given.resolve()
        folder = self._folder
        configure(
            folder,
            port=self.port,
            user=self.user,
            password=self.password,
            settings=self.settings,
            plugins=self.plugins,
        )
        cookie = folder / ".erlang.cookie"
        if not cookie.exists():
            cookie.touch(mode=0o600)
            cookie.write_text(self._cookie())
        return folder

    def _cookie(self) -> str:
        if self._beside is None:
            return secrets.token_hex(16)
        if self._beside._folder is None:
            raise ServerError(f"{self._beside.node} is to be started before {self.node}")
        return (self._beside._folder / ".erlang.cookie").read_text()

    def _environment(self, folder: Path) -> dict[str, str]:
        return environment(
            folder,
            node=self.node,
            epmd_port=self._epmd_port,
            distribution_port=self._distribution_port,
        )

    def rabbitmqctl(self) -> Path:
        """Return a program that is rabbitmqctl for this node, as an administrator has it.

        Raises:
            ServerError: it has not been started yet.
        """
        if self._folder is None:
            raise ServerError("rabbitmqctl needs a running server")
        lines = [
            f"export {name}={shlex.quote(value)}"
            for name, value in self._environment(self._folder).items()
        ]
        program = self._folder / "rabbitmqctl"
        program.write_text(
            "\n".join(["#!/bin/sh", *lines, f'exec {scripts() / "rabbitmqctl"} --quiet "$@"', ""])
        )
        program.chmod(0o700)
        return program

    def _speaks_amqp(self) -> bool:
        if self.settings.get("listeners.tcp") == "none":  # who asks needs a certificate
            return "Server startup complete" in self.log_text()
        try:
            pika.BlockingConnection(pika.URLParameters(self.url())).close()
        except (AMQPError, OSError):
            return False
        return True

    def _clean_up(self) -> None:
        for process in (self._node, self._epmd):
            if process is not None:
                process.kill()
        self._node = self._epmd = None
        if self._given is None and self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
