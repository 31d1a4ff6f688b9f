"""`relay`: tell the signer of new requests, and ask again for those that it has not answered.

SUBMITTED → RELAYED. Every other state that is not final stays, and is asked for again at growing
intervals: so lost messages, purged queues and a restored broker heal by themselves. A request is
always sent whole, since the signer may never have heard of it.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog
from sqlalchemy import select, update

from pipeline.actors.patience import Patience
from pipeline.actors.web import bulk
from pipeline.actors.web.side import WebSide
from pipeline.broker.send import wake
from pipeline.crypto.envelope import Received
from pipeline.database.advance import Move, advance
from pipeline.database.claim import Claim, claim
from pipeline.database.engine import AnyRow
from pipeline.database.sets import among_given
from pipeline.messages import MAX_REVISION, Submission, SubmissionBatch, chunked
from pipeline.stages import POLICY, RELAY
from pipeline.states import FINAL, State
from pipeline.web.tables import UNANSWERED, UNANSWERED_IN_BULK, ledger, requests, submissions
from settings.web import Ask

log = structlog.get_logger(__name__)

Unanswered = AnyRow

_LOAD: Final = (
    select(
        requests.c.id,
        requests.c.state,
        requests.c.revision,
        requests.c.attempts,
        requests.c.requester,
        requests.c.created_at,
        requests.c.withdrawal_wished,
        submissions.c.csr,
        submissions.c.profile,
        submissions.c.source,
        submissions.c.comment,
    )
    .join_from(requests, submissions)
    .where(among_given(requests.c.id, "ids"))
    .order_by(requests.c.created_at)
)
"""Built once: to build a statement costs more than to run it."""


def relay(side: WebSide, patience: Patience, _received: Received) -> None:
    """Claim what is unanswered and due, send it, mark it; wake another after a full batch."""
    claimed = _claim(side)
    if not claimed.rows:
        return
    patience(partial(_ask, side, claimed), keep=partial(_keep, side, claimed))
    if len(claimed.rows) == side.settings.worker.batch:
        wake(side.send, RELAY)


def _claim(side: WebSide) -> Claim:
    """Claim what is due: what came in bulk after all else, and only while few of it are under way."""
    now, worker = side.now(), side.settings.worker
    take = partial(
        claim,
        table=requests,
        due="next_attempt_at",
        now=now,
        lease=worker.lease_time,
        counts="every",
    )
    with side.database.write() as connection:
        claimed = take(connection, condition=UNANSWERED, limit=worker.batch)
        room = worker.batch - len(claimed.rows)
        if room:
            room = min(room, bulk.room(connection, side))
        if room > 0:
            further = take(connection, condition=UNANSWERED_IN_BULK, limit=room)
            claimed.rows = [*claimed.rows, *further.rows]
    return claimed


def _ask(side: WebSide, claimed: Claim) -> None:
    unanswered = {row.id: row for row in _load(side, claimed.ids)}
    for asked in chunked(map(_submission, unanswered.values())):
        rows = [unanswered[submission.id] for submission in asked]
        withdrawals = [row.id for row in rows if row.withdrawal_wished]
        side.send(POLICY, SubmissionBatch(asked, withdrawals))
        _mark(side, claimed, rows, side.now())
        log.info("relayed", count=len(rows), request_ids=[row.id for row in rows])


def _load(side: WebSide, ids: Sequence[str]) -> Sequence[Unanswered]:
    with side.database.read() as connection:
        rows = connection.execute(_LOAD, {"ids": ids}).all()
    return [row for row in rows if row.state not in FINAL]


def _submission(row: Unanswered) -> Submission:
    return Submission(
        id=row.id,
        csr=row.csr,
        profile=row.profile,
        source=row.source,
        submitted_at=row.created_at,
        requester=row.requester,
        comment=row.comment,
        # A larger one is no signer's; with it none of what is asked together would be read.
        known_revision=min(row.revision, MAX_REVISION),
    )


def _mark(side: WebSide, claimed: Claim, group: Sequence[Unanswered], now: datetime) -> None:
    """Note when to ask again; whoever was answered, or wished to withdraw, meanwhile is due as that
    made it."""
    by_attempts: defaultdict[int, list[Unanswered]] = defaultdict(list)
    for row in group:
        by_attempts[row.attempts].append(row)
    with side.database.write() as connection:
        for attempts, rows in by_attempts.items():
            again = {"next_attempt_at": now + interval(side.settings.ask, attempts)}
            new = [row for row in rows if row.state == State.SUBMITTED]
            moves = [
                Move(row.id, State.SUBMITTED, State.RELAYED, row.revision, row.revision, again)
                for row in new
            ]
            advance(connection, ledger, "relay", moves, now, claimed.lasts)
            asked = [row.id for row in rows if row.state != State.SUBMITTED]
            if asked:
                connection.execute(update(requests).where(claimed.holds(asked)).values(again))


def interval(ask: Ask, attempts: int) -> timedelta:
    """Return how long to wait for an answer after so many attempts."""
    exponent = min(max(attempts - 1, 0), 64)
    return timedelta(seconds=min(ask.first * ask.factor**exponent, ask.longest))


def _keep(side: WebSide, claimed: Claim) -> None:
    claimed.extend(side.database, side.now() + side.settings.worker.lease_time)
