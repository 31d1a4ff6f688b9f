"""Store new requests, those that come at the same time by one commit.

A commit waits for the disk, and takes several round trips. So while one is under way, whoever comes
next waits, and then all of them are stored together. Each is acknowledged only after the commit
that holds it, and what is wrong with one harms no other.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final

import structlog

from pipeline.database.advance import admit
from pipeline.database.engine import Database
from pipeline.database.reach import is_out_of_reach
from pipeline.states import State
from pipeline.web import idempotency, tables
from pipeline.web.aside import Wait, aside
from pipeline.web.idempotency import Once
from pipeline.web.notify import SUBMITTED, announce

log = structlog.get_logger(__name__)

MOST: Final = 1000
"""Requests that one commit stores, unless a single call brings more."""

ANNOUNCED: Final = 0.02
"""Seconds for which what is committed need not be announced, when another commit follows. Who hears of
it waits for longer than that, so that more go on together (`pipeline/run/gathering.py`)."""


@dataclass(frozen=True, slots=True)
class New:
    """A request that is to be stored. ``csr`` is DER."""

    id: str
    at: datetime
    requester: str | None
    csr: bytes
    profile: str
    source: str
    comment: str
    once: Once | None
    in_bulk: bool = False


@dataclass(slots=True)
class _Call:
    """What one caller waits for. Who ``leads`` is to commit for all that wait, until their own is
    done, unless somebody else began to."""

    new: Sequence[New]
    wait: Wait = field(default_factory=Wait)
    leads: bool = False
    done: bool = False
    error: Exception | None = None


class Intake:
    """Where the requests of one process begin; safe to be used by many threads."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._waiting: list[_Call] = []
        self._led = False  # somebody commits
        self._called = False  # nobody does, but somebody who waits is to
        self._announced = 0.0
        self._lock = threading.Lock()

    def store(self, new: Sequence[New]) -> None:
        """Store requests, all of them or none, and notify; return when they are committed.

        Raises:
            Taken: an idempotency key was used meanwhile.
            SQLAlchemyError: the database is out of reach; whether they are stored is not known.
        """
        if not new:
            return
        call = _Call(new)
        with self._lock:
            self._waiting.append(call)
            # Whoever is called may need a thread first, perhaps the very one that would wait here.
            call.leads = not self._led and (call.wait.takes_thread or not self._called)
            self._called |= call.leads
        while not call.done:
            if call.leads:
                aside(partial(self._lead, call))
            else:
                call.wait.wait()
        if call.error is not None:
            raise call.error

    def _lead(self, call: _Call) -> None:
        """Commit until this call is done, if nobody else does; then another one leads."""
        with self._lock:
            call.leads = False
            if self._led:  # somebody came first, and calls another one at the end
                return
            self._led, self._called = True, False
        try:
            while not call.done:
                self._store(self._next())
        finally:
            with self._lock:
                self._led = False
                self._call_heir()
                since = time.monotonic() - self._announced
                if due := not self._called or since > ANNOUNCED:
                    self._announced = time.monotonic()
        if due:
            announce(self.database, SUBMITTED)

    def _call_heir(self) -> None:
        """Call whoever has waited for longest of those who take a thread, and so have one to lead with;
        else of all."""
        having_one = (call for call in self._waiting if call.wait.takes_thread)
        heir = next(having_one, self._waiting[0] if self._waiting else None)
        if heir is not None:
            self._called = heir.leads = True
            heir.wait.end()

    def _next(self) -> list[_Call]:
        """Take the calls that the next commit is for."""
        with self._lock:
            count = 0
            for number, call in enumerate(self._waiting):
                count += len(call.new)
                if count > MOST and number:
                    break
            else:
                number = len(self._waiting)
            calls, self._waiting = self._waiting[:number], self._waiting[number:]
        return calls

    def _store(self, calls: Sequence[_Call]) -> None:
        together = [new for call in calls for new in call.new]
        try:
            self._commit(together)
        except Exception as error:  # noqa: BLE001 - told to the callers whose it is
            if len(calls) > 1 and not is_out_of_reach(error):
                for call in calls:
                    self._store([call])
                return
            for call in calls:
                call.error = error
        else:
            _log(together)
        for call in calls:
            call.done = True
            call.wait.end()

    def _commit(self, new: Sequence[New]) -> None:
        keys = [(one.requester, one.once, one.id, one.at) for one in new if one.once is not None]
        # Without keys it is a single statement on PostgreSQL, and so a transaction by itself.
        with self.database.write() if keys else self.database.change() as connection:
            rows = [_request(one) for one in new]
            own = {tables.submissions.c.request_id: [_submission(one) for one in new]}
            admit(connection, tables.ledger, "submit", rows, new[-1].at, own)
            idempotency.remember(connection, keys)


def _log(stored: Sequence[New]) -> None:
    alike: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for new in stored:
        alike[new.profile, new.source].append(new.id)
    for (profile, source), ids in alike.items():
        log.info("submitted", profile=profile, source=source, count=len(ids), request_ids=ids)


def _request(new: New) -> dict[str, object]:
    return {
        "id": new.id,
        "state": State.SUBMITTED,
        "revision": 0,
        "requester": new.requester,
        "created_at": new.at,
        "next_attempt_at": new.at - tables.DUE_SINCE,
        "withdrawal_wished": False,
        "in_bulk": new.in_bulk,
    }


def _submission(new: New) -> dict[str, object]:
    return {
        "request_id": new.id,
        "csr": new.csr,
        "profile": new.profile,
        "source": new.source,
        "comment": new.comment,
    }
