"""`httpca dev`: both sides in one process, on SQLite and the in-memory broker.

The one process that knows both sides. Everything else is as in production: the same stages, the
same signed messages, the same checks, the same databases.
"""

import fcntl
import shlex
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from sqlalchemy import Table, update

from pipeline import log as logging
from pipeline.actors.patience import Patience
from pipeline.actors.signer import bind_signer
from pipeline.actors.web import bind_web
from pipeline.broker.memory import Exchange
from pipeline.clock import now
from pipeline.database.engine import Database, open_database
from pipeline.database.migrate import migrate
from pipeline.errors import BrokerUnavailable, HttpcaError
from pipeline.run import garbage
from pipeline.run.signals import stop_on_signals
from pipeline.run.signer_clock import SignerClock
from pipeline.run.signer_side import open_signer_side
from pipeline.run.web_clock import WebClock
from pipeline.run.web_side import open_web_side
from pipeline.run.worker import LAST_WORK, start_worker
from pipeline.setup.directory import create
from pipeline.setup.options import SetupOptions
from pipeline.signer import tables as signer_tables
from pipeline.stages import DECIDE, Role
from pipeline.states import FINAL
from pipeline.web import tables as web_tables
from pipeline.web.app import create_app
from pipeline.web.serve import Server
from settings.common import EMBEDDED
from settings.load import FILE
from settings.signer import load_signer
from settings.web import load_web

log = structlog.get_logger(__name__)

LOOK_INTO_SPOOL = 0.2
"""Seconds between two looks for decisions."""

REPEAT_DECISION = 5.0
"""Seconds after which a decision that still lies in a spool is taken up again."""


def main(directory: Path, port: int | None = None) -> int:
    """Set up ``directory`` if need be and serve until told to stop; return the exit code."""
    if not directory.exists() or not any(directory.iterdir()):
        create(SetupOptions(directory=directory, development=True))
    elif not (directory / "web" / FILE).exists():
        raise HttpcaError(
            f"{directory} holds something that HttpCA did not make; choose a new or an empty folder"
        )
    with _alone(directory):
        return _serve(directory, port)


def _serve(directory: Path, port: int | None) -> int:
    web_settings = load_web(directory / "web")
    signer_settings = load_signer(directory / "signer")
    if web_settings.broker != EMBEDDED or signer_settings.broker != EMBEDDED:
        raise HttpcaError(
            f"{directory} was set up for a broker: start its processes by `honcho start`, "
            "or give `httpca dev` another --dir"
        )
    logging.configure(web_settings.log, "dev")
    stopping = threading.Event()
    stop_on_signals(stopping)
    patience = Patience(stopping)
    exchange = Exchange()
    web_database = open_database(web_settings.database)
    signer_database = open_database(signer_settings.database)
    migrate(web_database, "web")
    migrate(signer_database, "signer")
    _go_on(web_database, web_tables.requests)
    _go_on(signer_database, signer_tables.requests)

    web = open_web_side(web_settings, directory / "web", web_database, exchange=exchange)
    signer = open_signer_side(
        signer_settings, directory / "signer", signer_database, signs=True, exchange=exchange
    )
    server = Server(web_settings, create_app(web_settings, web_database), port=port)
    bind_web(web.broker, web.side, patience)
    bind_signer(signer.broker, signer.side, patience)
    workers = [
        start_worker(web.broker, Role.WEB, web_settings.worker.threads),
        start_worker(signer.broker, Role.SIGNER, signer_settings.worker.threads),
    ]
    clocks: tuple[WebClock, SignerClock] = (WebClock(web.side), SignerClock(signer.side))
    for clock in clocks:
        clock.start()
    spools = threading.Thread(
        target=_watch_spools, args=(directory, exchange, stopping), name="spools", daemon=True
    )
    spools.start()
    sys.stdout.write(_welcome(directory, server.url, anonymous=web_settings.http.anonymous))
    sys.stdout.flush()
    garbage.settle()
    server.run_until(stopping)
    for clock in clocks:
        clock.stop()
    for worker in workers:
        worker.stop(timeout=LAST_WORK)
    spools.join(timeout=5)
    web_database.dispose()
    signer_database.dispose()
    sys.stdout.write("HttpCA has stopped; started again it goes on where it was.\n")
    return 0


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Keep a second `httpca dev` away from the same folder: the broker lives in this process."""
    with (directory / "dev.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise HttpcaError(
                f"another `httpca dev` is at work in {directory}; stop it, or choose another folder"
                " by --dir (make run DIR=...)"
            ) from error
        yield


def _go_on(database: Database, requests: Table) -> None:
    """Make due what was under way: its messages and leases ended with the previous process."""
    with database.write() as connection:
        connection.execute(
            update(requests)
            .where(requests.c.state.not_in(FINAL), requests.c.next_attempt_at.is_not(None))
            .values(next_attempt_at=now())
        )
        if "tell_at" in requests.c:
            connection.execute(
                update(requests)
                .where(requests.c.told_revision < requests.c.revision)
                .values(tell_at=now())
            )


def _watch_spools(directory: Path, exchange: Exchange, stopping: threading.Event) -> None:
    """Take up the decisions that approvers leave in their spools; each is verified on arrival."""
    waited: dict[Path, float] = {}
    while not stopping.wait(LOOK_INTO_SPOOL):
        found = set(directory.glob("approvers/*/spool/*.jws"))
        waited = {path: left - LOOK_INTO_SPOOL for path, left in waited.items() if path in found}
        for path in found:
            if waited.get(path, 0.0) > 0:
                continue
            try:
                exchange.publish(DECIDE.queue, path.read_bytes())
            except (OSError, BrokerUnavailable) as error:
                log.warning("spool-not-read", file=path.name, error=type(error).__name__)
                continue
            waited[path] = REPEAT_DECISION


def _short(path: Path) -> str:
    """Return a path as one types it here: relative when it lies below the working directory."""
    path = path.absolute()
    if shutil.which(path.name) == str(path):
        return path.name
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _welcome(directory: Path, url: str, *, anonymous: bool) -> str:
    approver = next(iter(sorted(directory.glob("approvers/*"))), directory / "approvers/approver")
    command, config = shlex.quote(_short(Path(sys.argv[0]))), shlex.quote(_short(approver))
    web = shlex.quote(_short(directory / "web"))
    make = "" if anonymous else f"\n  token=$({command} token create NAME --config {web})"
    show = "" if anonymous else """ -H "Authorization: Bearer $token" \\\n   """
    return f"""
HttpCA is at work.
  Web pages and API   {url}
  Its data            {directory.resolve()}

As its policy comes (signer/policy.toml), names under .test, .internal and .localhost are signed at
once, .invalid is rejected, and everything else waits for an approver.

Submit a CSR:{make}
  curl -sS{show} --data-binary @request.csr -H 'Content-Type: application/x-pem-file' \\
    '{url}/api/v1/requests?profile=server'
Approve what waits:
  {command} approve --config {config}

Ctrl-C stops it.
"""
