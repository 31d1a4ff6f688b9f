"""A PostgreSQL of our own, from the distribution's package.

PostgreSQL refuses to run as root: then it runs as the user of the distribution's package, or as
nobody. It listens on the loopback only and has no Unix socket.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import psycopg
from psycopg import sql

from tests.servers.ports import LOOPBACK, free_port
from tests.servers.process import ServerError, ServerProcess, as_user, temporary_folder
from tests.servers.server import Server

STOP_SIGNALS = {
    "smart": signal.SIGTERM,  # waits for the clients to leave
    "fast": signal.SIGINT,  # sends them away
    "immediate": signal.SIGQUIT,  # does not even write down what it holds in memory
}


class PostgreSQL(Server):
    """One PostgreSQL server, with the superuser ``postgres``.

    Args:
        directory: where its files lie, kept when it stops; a temporary folder when None.
        port: a free one when None. It stays the same over a restart.
        password: of the superuser, checked by SCRAM; when None, everybody on this machine may
            connect as anybody without one. It counts when the data are made, not later.
        fsync: whether a commit waits for the disk. Off is faster, and a power cut (not a mere
            `kill`) may then lose what was committed.
        max_connections: how many clients may be connected at once, the superuser's included.
        settings: further ones, by their names.
        files: what lies in its data folder besides, by name, its own and for nobody else to read.
    """

    user = "postgres"

    def __init__(
        self,
        directory: Path | None = None,
        *,
        port: int | None = None,
        password: str | None = None,
        fsync: bool = True,
        max_connections: int = 200,
        settings: Mapping[str, str] | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> None:
        self.port = port or free_port()
        self.password = password
        self.fsync = fsync
        self.max_connections = max_connections
        self.settings = dict(settings or {})
        self.files = dict(files or {})
        self._given = directory
        self._folder: Path | None = None
        self._process: ServerProcess | None = None
        self._system_user = other_user() if os.geteuid() == 0 else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running

    @property
    def pids(self) -> list[int]:
        """The processes that we started and that are to be gone after `stop`."""
        return [] if self._process is None else [self._process.pid]

    def url(self, name: str = "postgres", user: str = user, password: str | None = None) -> str:
        """Return SQLAlchemy's URL for a database, as the superuser unless another one is named."""
        return self._dsn(name, user, password).replace("postgresql:", "postgresql+psycopg:", 1)

    def start(self) -> None:
        """Start it and return when it takes connections; go on with the data of the last time.

        Raises:
            ServerError: it is not installed, or did not start; with the end of its log.
        """
        if self.running:
            return
        folder = self._prepare()
        options = {
            "listen_addresses": LOOPBACK,
            "port": self.port,
            "unix_socket_directories": "",
            "fsync": "on" if self.fsync else "off",
            "max_connections": self.max_connections,
            "shared_buffers": "64MB",
            "timezone": "UTC",
            **self.settings,
        }
        settings = [word for item in options.items() for word in ("-c", "{}={}".format(*item))]
        self._process = ServerProcess(
            [programs() / "postgres", "-D", folder / "data", *settings],
            log=folder / "output.log",
            folder=folder,
            environment=self._environment(folder),
            user=self._system_user,
        )
        try:
            self._process.wait_until(self._takes_connections, seconds=240)
        except BaseException:
            self.kill()
            self._clean_up()
            raise

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stop it; remove the folder if it was a temporary one."""
        try:
            self.halt(mode)
        finally:
            self._clean_up()

    def halt(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stop it; its files stay for the next `start`."""
        if self._process is not None and self._process.running:
            self._process.stop(STOP_SIGNALS[mode], seconds=120)
        self._process = None

    def kill(self) -> None:
        """End it in an instant, as a power cut would; its files stay for the next `start`."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def restart(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stop it, unless it was killed, and start it with the same data."""
        self.halt(mode)
        self.start()

    def create_database(self, name: str, owner: str | None = None) -> str:
        """Make an empty database, unless it is there already, and return its URL."""
        known = "SELECT 1 FROM pg_database WHERE datname = %s"
        with psycopg.connect(self._dsn(), autocommit=True) as connection:
            if connection.execute(known, [name]).fetchone() is None:
                connection.execute(
                    sql.SQL(
                        "CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8'"
                    ).format(sql.Identifier(name), sql.Identifier(owner or self.user))
                )
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Remove a database, sending its clients away."""
        with psycopg.connect(self._dsn(), autocommit=True) as connection:
            statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            connection.execute(statement.format(sql.Identifier(name)))

    def create_user(self, name: str, password: str) -> None:
        """Make an account that may log in, and nothing else yet."""
        with psycopg.connect(self._dsn(), autocommit=True) as connection:
            statement = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
            connection.execute(statement.format(sql.Identifier(name), sql.Literal(password)))

    def _dsn(self, name: str = "postgres", user: str = user, password: str | None = None) -> str:
        if password is None and user == self.user:
            password = self.password
        credentials = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
        return f"postgresql://{credentials}@{LOOPBACK}:{self.port}/{quote(name, safe='')}"

    def _prepare(self) -> Path:
        """Make the folder with an empty cluster, unless it is there from an earlier start."""
        if self._folder is None:
            if self._given is None:
                self._folder = temporary_folder(self, "postgresql")
            else:
                self._given.mkdir(parents=True, exist_ok=True)
                self._folder = self._given.resolve()
            if self._system_user is not None:
                shutil.chown(self._folder, self._system_user)
            if not reachable(self._folder, self._system_user):
                raise ServerError(
                    f"PostgreSQL runs as {self._system_user}, who cannot reach {self._folder}: "
                    "choose a folder whose parents everybody may enter, for instance in /var/tmp"
                )
        if not (self._folder / "data" / "PG_VERSION").exists():
            self._initialise(self._folder)
        for name, octets in self.files.items():
            file = self._folder / "data" / name
            file.write_bytes(octets)
            file.chmod(0o600)
            if self._system_user is not None:
                shutil.chown(file, self._system_user, self._system_user)
        return self._folder

    def _initialise(self, folder: Path) -> None:
        command: list[str | Path] = [
            programs() / "initdb",
            "--pgdata",
            folder / "data",
            "--username",
            self.user,
        ]
        command += ["--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync", "--no-instructions"]
        passwords = folder / "password"
        if self.password is None:
            command += ["--auth", "trust"]
        else:
            passwords.write_text(self.password)
            passwords.chmod(0o600)
            if self._system_user is not None:
                shutil.chown(passwords, self._system_user)
            command += ["--auth", "scram-sha-256", "--pwfile", passwords]
        done = subprocess.run(
            command,
            cwd=folder,
            env=self._environment(folder),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            **as_user(self._system_user),
        )
        passwords.unlink(missing_ok=True)
        if done.returncode:
            raise ServerError(f"initdb failed:\n{done.stdout}{done.stderr}")

    def _environment(self, folder: Path) -> dict[str, str]:
        return {"PATH": "/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8"}

    def _takes_connections(self) -> bool:
        try:
            psycopg.connect(self._dsn(), connect_timeout=5).close()
        except psycopg.OperationalError as error:
            # A wrong password will not become right by waiting.
            if "password" in str(error):
                raise ServerError(f"PostgreSQL refuses its superuser: {error}") from error
            return False
        return True

    def _clean_up(self) -> None:
        self.kill()
        if self._given is None and self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


def programs() -> Path:
    """Return the folder of PostgreSQL's own commands, of the newest version there is.

    Raises:
        ServerError: PostgreSQL is not installed.
    """
    found = {
        int(folder.parent.name): folder
        for folder in Path("/usr/lib/postgresql").glob("*/bin")
        if re.fullmatch(r"\d+", folder.parent.name) and (folder / "initdb").exists()
    }
    if not found:
        raise ServerError("PostgreSQL is not installed: apt-get install postgresql")
    return found[max(found)]


def other_user() -> str:
    """Return the user as whom a PostgreSQL that root starts will run."""
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def reachable(folder: Path, user: str | None, *, write: bool = True) -> bool:
    """Tell whether a user (None: ourselves) may enter a folder, and write in it."""
    wanted = ["-x", str(folder), *(["-a", "-w", str(folder)] if write else [])]
    done = subprocess.run(["test", *wanted], cwd="/", check=False, **as_user(user))
    return done.returncode == 0
