"""Process `signer-worker`: the stages `policy`, `decide`, `sign` and `transmit`."""

import threading
from pathlib import Path

from pipeline import log as logging
from pipeline.actors.patience import Patience, Stopped
from pipeline.actors.signer import bind_signer
from pipeline.clock import now
from pipeline.crypto.expiry import ExpiryWatch
from pipeline.database.engine import open_database
from pipeline.database.migrate import check
from pipeline.run import garbage
from pipeline.run.exposed import warn_of_exposed
from pipeline.run.heart import Heart
from pipeline.run.signals import stop_on_signals
from pipeline.run.signer_side import open_signer_side
from pipeline.run.worker import run_worker
from pipeline.signer import lint
from pipeline.signer.tables import heartbeats
from pipeline.stages import Role
from settings.signer import load_signer

PROCESS = "signer-worker"


def main(directory: Path) -> int:
    """Run until told to stop; return the exit code."""
    settings = load_signer(directory)
    logging.configure(settings.log, PROCESS)
    warn_of_exposed(settings.database, settings.broker)
    stopping = threading.Event()
    stop_on_signals(stopping)
    patience = Patience(stopping)
    database = open_database(settings.database, pool_size=settings.worker.threads + 4, by_keys=True)
    try:
        patience(lambda: check(database, "signer", directory))
        opened = patience(lambda: open_signer_side(settings, directory, database, signs=True))
    except Stopped:
        return 0
    lint.warm({one for profile in opened.side.policy().profiles.values() for one in profile.lint})
    ExpiryWatch(settings.expiry_days).look(opened.side.certificates(), now())
    bind_signer(opened.broker, opened.side, patience)
    heart = Heart(database, heartbeats, PROCESS, settings.clock.heartbeat)
    garbage.settle()
    return run_worker(opened.broker, Role.SIGNER, settings.worker.threads, stopping, heart)
