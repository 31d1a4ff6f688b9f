"""HttpCA with an account for each process, as `httpca setup` and `httpca grants apply` make them."""

import secrets
import shutil
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.servers import PostgreSQL, RabbitMQ
from tests.servers.ports import LOOPBACK, free_port
from tests.system.installation import Installation, done, httpca

OWNERS = ("owner/web", "owner/signer")

FOLDERS = {
    "web-http": "web",
    "web": "web",
    "web-operator": "web",
    "owner/web": "web",
    "signer": "signer",
    "signer-reader": "signer",
    "approvers/approver": "signer",
    "owner/signer": "signer",
}
"""Every folder with an account, and whose database that account is for."""


class Guarded(Installation):
    """Both sides with the least rights. The servers start after the set-up, whose files they need."""

    def __init__(
        self,
        directory: Path,
        *,
        rabbitmq_port: int,
        postgresql_port: int,
        tls: str,
        setup_options: Sequence[str] = (),
    ) -> None:
        self.directory = directory
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.prefix = f"t{secrets.token_hex(4)}"
        self.vhost = self.prefix
        self.databases = {side: f"{self.prefix}_{side}" for side in ("web", "signer")}
        self._honcho = None
        self.log = directory.with_suffix(".log")
        self.variables = {
            "HTTPCA_HOME": str(directory),
            "HTTPCA_HTTP": str(directory / "web-http"),
            "PORT": str(self.port),
        }
        self.tokens = directory / "web-operator"
        done(
            httpca(
                "setup",
                directory,
                "--postgresql",
                f"{LOOPBACK}:{postgresql_port}",
                "--rabbitmq",
                f"{LOOPBACK}:{rabbitmq_port}",
                "--tls",
                tls,
                "--prefix",
                self.prefix,
                *setup_options,
            )
        )

    def apply(self, rabbitmq: RabbitMQ, postgresql: PostgreSQL) -> None:
        """Make the accounts by the documented commands, twice, since that is harmless."""
        self.rabbitmq, self.postgresql = rabbitmq, postgresql
        for _ in range(2):
            done(
                httpca(
                    "grants",
                    "apply",
                    self.directory / "setup" / "grants",
                    "--postgresql",
                    postgresql.url(),
                    "--rabbitmqctl",
                    rabbitmq.rabbitmqctl(),
                )
            )
            for owner in OWNERS:
                done(httpca("migrate", "--config", self.directory / owner))

    def settings(self, folder: str) -> dict[str, Any]:
        """Return the settings of a folder as they stand in the file."""
        return tomllib.loads((self.directory / folder / "settings.toml").read_text("utf-8"))

    def database_url(self, folder: str) -> str:
        """Return the URL by which the account of a folder connects, for psycopg."""
        found = self.settings(folder)
        url: str = found.get("database") or found["signer_database"]
        return url.replace("postgresql+psycopg:", "postgresql:", 1)

    def remove(self) -> None:
        """Stop, and remove databases, roles, users and vhost; the set-up too."""
        self.stop()
        for name in self.databases.values():
            self.postgresql.drop_database(name)
        url = self.postgresql.url().replace("postgresql+psycopg:", "postgresql:", 1)
        with psycopg.connect(url, autocommit=True) as connection:
            mine = "SELECT rolname FROM pg_roles WHERE starts_with(rolname, %s)"
            for (role,) in connection.execute(mine, [f"{self.prefix}_"]).fetchall():
                connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
        self.rabbitmq.delete_vhost(self.vhost)
        for name in ("web_worker", "signer", "approver_approver"):
            self.rabbitmq.ctl("delete_user", f"{self.prefix}_{name}")
        shutil.rmtree(self.directory)
