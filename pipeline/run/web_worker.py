"""Process `web-worker`: the stages `relay` and `deliver`."""

import threading
from pathlib import Path

from pipeline import log as logging
from pipeline.actors.patience import Patience, Stopped
from pipeline.actors.web import bind_web
from pipeline.clock import now
from pipeline.crypto.expiry import ExpiryWatch
from pipeline.database.engine import open_database
from pipeline.database.migrate import check
from pipeline.run import garbage
from pipeline.run.exposed import warn_of_exposed
from pipeline.run.heart import Heart
from pipeline.run.signals import stop_on_signals
from pipeline.run.web_side import open_web_side
from pipeline.run.worker import run_worker
from pipeline.stages import Role
from pipeline.web.tables import heartbeats
from settings.web import load_web

PROCESS = "web-worker"


def main(directory: Path) -> int:
    """Run until told to stop; return the exit code."""
    settings = load_web(directory)
    logging.configure(settings.log, PROCESS)
    warn_of_exposed(settings.database, settings.broker)
    stopping = threading.Event()
    stop_on_signals(stopping)
    patience = Patience(stopping)
    database = open_database(settings.database, pool_size=settings.worker.threads + 4, by_keys=True)
    try:
        patience(lambda: check(database, "web", directory))
    except Stopped:
        return 0
    opened = open_web_side(settings, directory, database)
    ExpiryWatch(settings.expiry_days).look(opened.side.certificates(), now())
    bind_web(opened.broker, opened.side, patience)
    heart = Heart(database, heartbeats, PROCESS, settings.clock.heartbeat)
    garbage.settle()
    return run_worker(opened.broker, Role.WEB, settings.worker.threads, stopping, heart)
