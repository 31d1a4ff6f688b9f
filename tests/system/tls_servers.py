"""A broker and a database that are configured with the files that set-up has written for them."""

from pathlib import Path

from tests.servers import PostgreSQL, RabbitMQ
from tests.servers.ports import LOOPBACK
from tests.system.guarded import Guarded

SUPERUSER = f"host all postgres {LOOPBACK}/32 trust\n"


def rabbitmq(made: Guarded, port: int) -> RabbitMQ:
    folder = made.directory / "setup/servers/rabbitmq"
    settings = read(folder / "rabbitmq.conf")
    settings = {
        key: value.replace("/etc/rabbitmq/httpca", str(folder)) for key, value in settings.items()
    }
    del settings["listeners.ssl.default"]
    settings["listeners.ssl.1"] = f"{LOOPBACK}:{port}"
    return RabbitMQ(settings=settings, plugins=["rabbitmq_auth_mechanism_ssl"])


def postgresql(made: Guarded, port: int) -> PostgreSQL:
    folder = made.directory / "setup/servers/postgresql"
    files = {name: (folder / name).read_bytes() for name in ("ca.pem", "server.pem", "server.key")}
    files["pg_hba.conf"] = (folder / "pg_hba.conf").read_bytes() + SUPERUSER.encode()
    settings = {key: value.strip("'") for key, value in read(folder / "postgresql.conf").items()}
    return PostgreSQL(port=port, settings=settings, files=files)


def read(file: Path) -> dict[str, str]:
    """Read a server's configuration, as far as we write it."""
    lines = (line.partition(" = ") for line in file.read_text("utf-8").splitlines())
    return {key: value for key, mark, value in lines if mark and not key.startswith("#")}
