"""Process `signer-clock`: sweeps, lets requests expire, takes revoked approvers' decisions out of
the count, reminds approvers, announces the issuing CAs, keeps the audit's log, heartbeats.

It works without the CA's key.
"""

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Column, TextClause, select

from pipeline import log as logging
from pipeline.actors.patience import Patience, Stopped
from pipeline.broker.send import wake
from pipeline.crypto.expiry import ExpiryWatch
from pipeline.database.advance import advance
from pipeline.database.claim import pull_back
from pipeline.database.engine import open_database
from pipeline.database.heartbeat import beat, forget
from pipeline.database.migrate import check
from pipeline.database.tries import Tries
from pipeline.errors import SettingsError
from pipeline.messages import OutcomeBatch
from pipeline.run.exposed import warn_of_exposed
from pipeline.run.reminding import remind
from pipeline.run.schedule import schedule
from pipeline.run.signals import stop_on_signals, wait_until
from pipeline.run.signer_side import open_signer_side, policy_problem
from pipeline.signer import counting, rule_counts
from pipeline.signer.audit.keeper import Keeper
from pipeline.signer.ending import ending
from pipeline.signer.policy_record import note_problem
from pipeline.signer.side import SignerSide, move
from pipeline.signer.tables import TO_SIGN, TO_TELL, WAITING, heartbeats, ledger, requests, tries
from pipeline.stages import DELIVER, SIGN, TRANSMIT
from pipeline.states import State
from settings.signer import load_signer

log = structlog.get_logger(__name__)

PROCESS = "signer-clock"

LONGEST_PAUSE = timedelta(hours=1)
"""Longer than `sign` ever puts off a request that failed by itself."""

AT_ONCE = 500
"""How many requests expire in one transaction."""


def main(directory: Path) -> int:
    """Run until told to stop; return the exit code."""
    settings = load_signer(directory)
    logging.configure(settings.log, PROCESS)
    warn_of_exposed(settings.database, settings.broker)
    stopping = threading.Event()
    stop_on_signals(stopping)
    database = open_database(settings.database, pool_size=4, by_keys=True)
    try:
        Patience(stopping)(lambda: check(database, "signer", directory))
    except Stopped:
        return 0
    clock = SignerClock(open_signer_side(settings, directory, database, signs=False).side)
    clock.start()
    log.info("clock-started")
    wait_until(stopping)
    clock.stop()
    log.info("clock-stopped")
    return 0


class SignerClock:
    """The signer side's clock."""

    def __init__(self, side: SignerSide) -> None:
        self.side = side
        self._expiry = ExpiryWatch(side.settings.expiry_days)
        self.keeper = Keeper(side, Path(side.settings.directory))

    def start(self) -> None:
        """Start the jobs."""
        intervals = self.side.settings.clock
        self._scheduler = schedule(
            {
                "sweep": (intervals.sweep, self.sweep),
                "expire": (intervals.expire, self.expire),
                "recount": (intervals.expire, self.recount),
                "remind": (intervals.remind, self.remind),
                "policy": (intervals.heartbeat, self.look_at_policy),
                "announce": (intervals.announce, self.announce),
                "look-ahead": (intervals.look_ahead, self.look_ahead),
                "sequence": (intervals.sequence, self.sequence),
                "checkpoint": (intervals.checkpoint, self.checkpoint),
                "tidy": (intervals.tidy, self.tidy),
                "repair": (intervals.heartbeat, self.repair),
                "heartbeat": (intervals.heartbeat, self.heartbeat),
                "certificates": (intervals.certificates, self.certificates),
            }
        )

    def stop(self) -> None:
        """End the jobs."""
        self._scheduler.shutdown()

    def sweep(self) -> None:
        """Wake the stages for which something is due."""
        if self._is_due(requests.c.next_attempt_at, TO_SIGN):
            wake(self.side.send, SIGN)
        if self._is_due(requests.c.tell_at, TO_TELL):
            wake(self.side.send, TRANSMIT)

    def _is_due(self, column: Column[Any], condition: TextClause) -> bool:
        # Ordered: else PostgreSQL expects to meet a row soon, and reads the whole table for it.
        due = select(requests.c.id).where(condition, column <= self.side.now())
        with self.side.database.read() as connection:
            return connection.execute(due.order_by(column).limit(1)).first() is not None

    def repair(self) -> None:
        """Make due what a clock that was ahead put off for longer than anything is put off."""
        farthest = 2 * self.side.settings.worker.lease_time + LONGEST_PAUSE
        with self.side.database.write() as connection:
            for due, condition in (("next_attempt_at", TO_SIGN), ("tell_at", TO_TELL)):
                pull_back(
                    connection,
                    requests,
                    due,
                    condition,
                    now=self.side.now(),
                    farthest=farthest,
                )

    def expire(self) -> None:
        """WAITING_FOR_APPROVAL → EXPIRED, for what has waited too long."""
        now = self.side.now()
        with self.side.database.write() as connection:
            rows = connection.execute(
                select(requests.c.id, requests.c.state, requests.c.revision)
                .where(WAITING, requests.c.expires_at <= now)
                .order_by(requests.c.expires_at)
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

    def recount(self) -> None:
        """Let the decisions of revoked approvers count no more on requests that still wait.

        `decide` does so whenever it counts; here it shows to approvers before anybody decides.
        """
        side = self.side
        side.trust.refresh()
        if side.trust.problems:  # said already; a folder that is half copied voids nothing
            return
        with side.database.read() as connection:
            found = counting.counted_and_waiting(connection)
        doubtful = {
            row.request_id for row in found if counting.why_not(row.token, row.approver, side.trust)
        }
        for request_id in sorted(doubtful):
            with side.database.write() as connection:
                locked = select(requests.c.id).where(requests.c.id == request_id, WAITING)
                if connection.execute(locked.with_for_update()).first() is not None:
                    counting.leave_out(connection, side.trust, request_id, side.now())

    def tidy(self) -> None:
        """Delete what may be deleted: heartbeats of processes long gone, attempts long resolved,
        counts of hours and days that are long over."""
        side, keep = self.side, self.side.settings.keep
        now = side.now()
        with side.database.write() as connection:
            forget(connection, heartbeats, now - timedelta(days=keep.heartbeat_days))
            Tries.tidy(connection, tries, now - timedelta(days=keep.tries_days))
            rule_counts.forget(connection, now)

    def remind(self) -> None:
        """Remind approvers, by the operator's hook, of what waits for too long."""
        remind(self.side)

    def look_at_policy(self) -> None:
        """Write down what is wrong with the policy file, also while no worker needs it."""
        side = self.side
        note_problem(
            side.database, policy_problem(side.settings, side.trust, side.issuers), side.now()
        )

    def announce(self) -> None:
        """Tell the web side the issuing CAs; it may have lost them or never heard."""
        self.side.send(DELIVER, OutcomeBatch(issuers=self.side.issuers.notices()))
        self.keeper.tell(again=True)

    def sequence(self) -> None:
        """Give the audit's new entries their places in its tree."""
        self.keeper.sequence()

    def checkpoint(self) -> None:
        """Sign the audit's head if it has grown, keep it, and tell the web side."""
        self.keeper.sequence()
        self.keeper.sign()
        self.keeper.tell()

    def certificates(self) -> None:
        """Say which of our own certificates end soon."""
        self._expiry.look(self.side.certificates(), self.side.now())

    def look_ahead(self) -> None:
        """Warn of issuing CAs that end before the certificates that they issue would."""
        side = self.side
        try:
            policy = side.policy()
        except SettingsError as error:  # the workers go on with the one that was right
            log.error("policy-refused", problem=str(error))
            return
        ahead = timedelta(days=side.settings.warning_days)
        for one in ending(side.issuers.active(), policy, side.now(), ahead):
            log.warning(
                "issuer-cuts-short" if one.begun else "issuer-will-cut-short",
                issuer=one.issuer,
                profile=one.profile,
                not_after=one.not_after.isoformat(),
                cuts_from=one.cuts_from.isoformat(),
            )

    def heartbeat(self) -> None:
        """Say whether the broker takes messages, by giving it a wake-up.

        Raises:
            BrokerUnavailable: it does not; so this comes again soon.
        """
        trouble = wake(self.side.send, TRANSMIT)
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
