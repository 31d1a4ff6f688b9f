"""Learn from the signer which requests this web side forgot when it was restored from a backup.

(unknown) → SUBMITTED. `relay` then asks the signer for each as for any other, and is told what
became of it.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

import msgspec
from sqlalchemy import Connection, insert, select

from pipeline.database.advance import admit, record
from pipeline.database.engine import Database
from pipeline.database.export import numbered
from pipeline.errors import HttpcaError
from pipeline.messages import Der, Name, RequestId, Sentence, Time
from pipeline.states import State
from pipeline.web.notify import SUBMITTED, announce
from pipeline.web.tables import audit, ledger, submissions

MAKER = "reconcile"


class Known(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One request as the signer knows it."""

    id: RequestId
    requester: Name | None
    submitted_at: Time
    csr: Der
    profile: Name
    source: Name
    comment: Sentence


class NotLearnt(HttpcaError):
    """A line cannot be of what the signer knows."""


def reconcile(
    database: Database, lines: Iterable[str], operator: str, now: datetime
) -> Counter[str]:
    """Take in every request that is not known, each in a transaction of its own; count what was done.

    To do it again changes nothing more.

    Raises:
        NotLearnt: a line is not of an export.
        NotWhole: the export breaks off.
    """
    done: Counter[str] = Counter()
    for number, line in numbered(lines):
        try:
            known = msgspec.json.decode(line, type=Known)
        except (msgspec.DecodeError, RecursionError) as error:
            raise NotLearnt(f"line {number}: {error}; nothing of it was taken in") from error
        with database.write() as connection:
            done[_take_in(connection, known, now)] += 1
    with database.write() as connection:
        record(connection, audit, "reconciled", {"operator": operator, **done}, now)
    announce(database, SUBMITTED)
    return done


def _take_in(connection: Connection, known: Known, now: datetime) -> str:
    request = {
        "id": known.id,
        "state": State.SUBMITTED,
        "revision": 0,
        "requester": known.requester,
        "created_at": known.submitted_at,
        "next_attempt_at": now,
    }
    if not admit(connection, ledger, MAKER, [request], now):
        held = connection.scalar(
            select(submissions.c.csr).where(submissions.c.request_id == known.id)
        )
        return "known" if held == known.csr else "conflict: another CSR is here"
    submission = {
        "request_id": known.id,
        "csr": known.csr,
        "profile": known.profile,
        "source": known.source,
        "comment": known.comment,
    }
    connection.execute(insert(submissions), [submission])
    return "request learnt"
