"""Start a RabbitMQ and a PostgreSQL to try HttpCA out on, until Ctrl-C (`make servers`)."""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import sys
from pathlib import Path

from tests.servers import PostgreSQL, RabbitMQ, ServerError
from tests.servers.ports import is_free
from tests.servers.postgresql import other_user, reachable

DATABASES = ("httpca_web", "httpca_signer")


def main() -> int:
    arguments = parse_arguments()
    for port in (arguments.rabbitmq_port, arguments.postgresql_port):
        if not is_free(port):
            print(f"Something listens on port {port} already; choose another one.", file=sys.stderr)
            return 1
    try:
        run(arguments)
    except ServerError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.")
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.servers", description=__doc__)
    parser.add_argument(
        "--dir", type=Path, default=Path("var/servers"), help="where their data lie"
    )
    parser.add_argument("--rabbitmq-port", type=int, default=45672)
    parser.add_argument("--postgresql-port", type=int, default=45432)
    return parser.parse_args()


def run(arguments: argparse.Namespace) -> None:
    # A plain `kill` stops the servers as Ctrl-C does; and so does Ctrl-C where a shell that started
    # us in the background had it ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    directory: Path = arguments.dir.resolve()
    print("Starting RabbitMQ and PostgreSQL ...", flush=True)
    with (
        RabbitMQ(directory / "rabbitmq", port=arguments.rabbitmq_port) as rabbitmq,
        PostgreSQL(postgresql_folder(directory), port=arguments.postgresql_port) as postgresql,
    ):
        web, signer = (postgresql.create_database(name) for name in DATABASES)
        print(f"--web-database {web} \\")
        print(f"--signer-database {signer} \\")
        print(f"--broker {rabbitmq.url()}")
        print("Ready; Ctrl-C stops them and keeps their data.", flush=True)
        while rabbitmq.running and postgresql.running:
            signal.sigtimedwait([], 1)
    raise ServerError(f"A server ended by itself; its log is in {directory}.")


def postgresql_folder(directory: Path) -> Path:
    """Return where PostgreSQL's data lie: in our folder, if PostgreSQL can get there.

    As root it runs as another user, whom a checkout in root's home is closed to.
    """
    directory.mkdir(parents=True, exist_ok=True)
    folder = directory / "postgresql"
    if os.geteuid() != 0 or reachable(directory, other_user(), write=False):
        return folder
    digest = hashlib.sha256(bytes(directory)).hexdigest()[:12]
    folder = Path("/var/lib/httpca-servers", digest)
    print(f"{other_user()} cannot enter {directory}: PostgreSQL's data lie in {folder}.")
    return folder


if __name__ == "__main__":
    sys.exit(main())
