"""Process `web-clock`: wakes `relay`, sweeps, asks for heartbeats, and tidies up.

New requests wake it by a notification of the database (PostgreSQL) or a quick look (SQLite); the
slow look finds what a lost notification leaves behind.
"""

import threading
from datetime import timedelta
from pathlib import Path

import structlog
from sqlalchemy import delete, select

from pipeline import log as logging
from pipeline.actors.patience import Patience, Stopped, is_infrastructure
from pipeline.actors.web.side import WebSide
from pipeline.broker.send import wake
from pipeline.crypto.expiry import ExpiryWatch
from pipeline.database.claim import pull_back
from pipeline.database.engine import open_database
from pipeline.database.heartbeat import beat, forget
from pipeline.database.migrate import check
from pipeline.database.tries import Tries
from pipeline.run.exposed import warn_of_exposed
from pipeline.run.gathering import gather
from pipeline.run.schedule import schedule
from pipeline.run.signals import stop_on_signals, wait_until
from pipeline.run.web_side import open_web_side
from pipeline.stages import RELAY
from pipeline.web import permits
from pipeline.web.notify import SUBMITTED, Ear
from pipeline.web.tables import LANES, heartbeats, idempotency_keys, requests, tries
from settings.web import load_web

log = structlog.get_logger(__name__)

PROCESS = "web-clock"


def main(directory: Path) -> int:
    """Run until told to stop; return the exit code."""
    settings = load_web(directory)
    logging.configure(settings.log, PROCESS)
    warn_of_exposed(settings.database, settings.broker)
    stopping = threading.Event()
    stop_on_signals(stopping)
    database = open_database(settings.database, pool_size=settings.worker.threads + 5, by_keys=True)
    try:
        Patience(stopping)(lambda: check(database, "web", directory))
    except Stopped:
        return 0
    opened = open_web_side(settings, directory, database)
    clock = WebClock(opened.side)
    clock.start()
    log.info("clock-started")
    wait_until(stopping)
    clock.stop()
    log.info("clock-stopped")
    return 0


class WebClock:
    """The web side's clock: its jobs, and the thread that hears of new requests."""

    def __init__(self, side: WebSide) -> None:
        self.side = side
        self._expiry = ExpiryWatch(side.settings.expiry_days)
        self._stopping = threading.Event()
        self._ear = Ear(side.database, SUBMITTED)
        self._listener = threading.Thread(target=self._listen, name="web-clock-ear", daemon=True)

    def start(self) -> None:
        """Start the jobs and the listening."""
        intervals = self.side.settings.clock
        self._scheduler = schedule(
            {
                "sweep": (intervals.sweep, self.sweep),
                "repair": (intervals.heartbeat, self.repair),
                "heartbeat": (intervals.heartbeat, self.heartbeat),
                "rates": (permits.MINUTE, self.rates),
                "certificates": (intervals.certificates, self.certificates),
                "tidy": (intervals.tidy, self.tidy),
            }
        )
        self._listener.start()

    def stop(self) -> None:
        """End jobs and listening."""
        self._stopping.set()
        self.close()
        self._listener.join(timeout=5)
        self._scheduler.shutdown()

    def close(self) -> None:
        """Close the connection that listens."""
        self._ear.close()

    def sweep(self) -> None:
        """Wake `relay` when something is due."""
        if self._is_due():
            wake(self.side.send, RELAY)

    def _is_due(self) -> bool:
        column = requests.c.next_attempt_at
        due = select(requests.c.id).where(column <= self.side.now()).order_by(column).limit(1)
        with self.side.database.read() as connection:
            return any(connection.execute(due.where(lane)).first() for lane in LANES)

    def repair(self) -> None:
        """Make due what a clock that was ahead put off for longer than anything is put off."""
        side = self.side
        farthest = timedelta(seconds=side.settings.ask.longest) + side.settings.worker.lease_time
        with side.database.write() as connection:
            for lane in LANES:
                pull_back(
                    connection,
                    requests,
                    "next_attempt_at",
                    lane,
                    now=side.now(),
                    farthest=2 * farthest,
                )

    def rates(self) -> None:
        """Delete the counts of addresses and requesters of past minutes."""
        with self.side.database.write() as connection:
            permits.forget(connection, self.side.now())

    def certificates(self) -> None:
        """Say which of our own certificates end soon."""
        self._expiry.look(self.side.certificates(), self.side.now())

    def heartbeat(self) -> None:
        """Say whether the broker takes messages, by giving it a wake-up.

        Raises:
            BrokerUnavailable: it does not; so this comes again soon.
        """
        trouble = wake(self.side.send, RELAY)
        side = self.side
        beat(
            side.database,
            heartbeats,
            PROCESS,
            side.now(),
            broker_ok=trouble is None,
            certificates=side.certificates(),
        )
        if trouble is not None:
            raise trouble

    def tidy(self) -> None:
        """Delete what may be deleted: old idempotency keys, heartbeats of processes long gone."""
        side, keep = self.side, self.side.settings.keep
        oldest = side.now() - timedelta(hours=side.settings.http.idempotency_hours)
        with side.database.write() as connection:
            connection.execute(
                delete(idempotency_keys).where(idempotency_keys.c.created_at < oldest)
            )
            forget(connection, heartbeats, side.now() - timedelta(days=keep.heartbeat_days))
            Tries.tidy(connection, tries, side.now() - timedelta(days=keep.tries_days))

    def _listen(self) -> None:
        while not self._stopping.is_set():
            try:
                if self._hears():
                    wake(self.side.send, RELAY)
                    gather(self.side, self._stopping)
            except Exception as error:
                if not is_infrastructure(error):
                    log.exception("listening-failed")
                self._stopping.wait(1.0)

    def _hears(self) -> bool:
        """Wait a while for new requests; return whether there may be some."""
        clock = self.side.settings.clock
        if self.side.database.dialect == "sqlite":  # where nothing tells of them
            return self._is_due() or self._ear.wait(clock.poll_sqlite)
        return self._ear.wait(clock.poll) or self._is_due()
