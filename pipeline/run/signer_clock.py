"""Process `signer-clock`: sweeps, lets requests expire, announces the issuing CAs, heartbeats.

It works without the CA's key.
"""

import threading
from pathlib import Path

import structlog
from sqlalchemy import select

from pipeline import log as logging
from pipeline.actors.patience import Patience, Stopped
from pipeline.broker.send import wake
from pipeline.database.advance import advance
from pipeline.database.engine import open_database
from pipeline.database.heartbeat import beat
from pipeline.database.migrate import check
from pipeline.errors import BrokerUnavailable
from pipeline.messages import OutcomeBatch
from pipeline.run.schedule import schedule
from pipeline.run.signals import stop_on_signals
from pipeline.run.signer_side import open_signer_side
from pipeline.signer.side import SignerSide, move
from pipeline.signer.tables import TO_SIGN, TO_TELL, WAITING, heartbeats, ledger, requests
from pipeline.stages import DELIVER, SIGN, TRANSMIT
from pipeline.states import State
from settings.signer import load_signer

log = structlog.get_logger(__name__)

PROCESS = "signer-clock"

AT_ONCE = 500
"""How many requests expire in one transaction."""


def main(directory: Path) -> int:
    """Run until told to stop; return the exit code."""
    settings = load_signer(directory)
    logging.configure(settings.log, PROCESS)
    stopping = threading.Event()
    stop_on_signals(stopping)
    database = open_database(settings.database, pool_size=4)
    try:
        Patience(stopping)(lambda: check(database, "signer", directory))
    except Stopped:
        return 0
    clock = SignerClock(open_signer_side(settings, directory, database, signs=False).side)
    clock.start()
    log.info("clock-started")
    stopping.wait()
    clock.stop()
    log.info("clock-stopped")
    return 0


class SignerClock:
    """The signer side's clock."""

    def __init__(self, side: SignerSide) -> None:
        self.side = side

    def start(self) -> None:
        """Start the jobs."""
        intervals = self.side.settings.clock
        self._scheduler = schedule(
            {
                "sweep": (intervals.sweep, self.sweep),
                "expire": (intervals.expire, self.expire),
                "announce": (intervals.announce, self.announce),
                "heartbeat": (intervals.heartbeat, self.heartbeat),
            }
        )

    def stop(self) -> None:
        """End the jobs."""
        self._scheduler.shutdown()

    def sweep(self) -> None:
        """Wake the stages for which something is due."""
        now = self.side.now()
        to_sign = select(requests.c.id).where(TO_SIGN, requests.c.next_attempt_at <= now)
        to_tell = select(requests.c.id).where(TO_TELL, requests.c.tell_at <= now)
        with self.side.database.read() as connection:
            signs = connection.execute(to_sign.limit(1)).first() is not None
            tells = connection.execute(to_tell.limit(1)).first() is not None
        if signs:
            wake(self.side.send, SIGN)
        if tells:
            wake(self.side.send, TRANSMIT)

    def expire(self) -> None:
        """WAITING_FOR_APPROVAL → EXPIRED, for what has waited too long."""
        now = self.side.now()
        with self.side.database.write() as connection:
            rows = connection.execute(
                select(requests.c.id, requests.c.state, requests.c.revision)
                .where(WAITING, requests.c.expires_at <= now)
                .limit(AT_ONCE)
            ).all()
            reason = (
                "Nobody decided on this request in time; submit it again if it is still wanted."
            )
            moves = [move(row, State.EXPIRED, now, reason=reason) for row in rows]
            expired = advance(connection, ledger, "clock", moves, now)
        for request_id in expired:
            log.info("expired", request_id=request_id)
        if expired:
            wake(self.side.send, TRANSMIT)

    def announce(self) -> None:
        """Tell the web side the issuing CAs; it may have lost them or never heard."""
        self.side.send(DELIVER, OutcomeBatch(issuers=self.side.issuers.notices()))

    def heartbeat(self) -> None:
        """Say whether the broker takes messages, by giving it a wake-up.

        Raises:
            BrokerUnavailable: it does not; so this comes again soon.
        """
        broker_ok = wake(self.side.send, TRANSMIT)
        side = self.side
        beat(side.database, heartbeats, PROCESS, side.now(), broker_ok=broker_ok)
        if not broker_ok:
            raise BrokerUnavailable("the broker did not take a wake-up")
