"""`sign`: issue certificates, in the five steps of the design.

WAITING_FOR_SIGNATURE → ISSUED, or → FAILED when a request fails by itself, repeatedly, or when its
TBS can no longer be signed.

1. Re-check that signing is not suspended and that our clock is not behind. 2. Build the certificate
with a throw-away key and commit its TBS. 3. Sign exactly those bytes. 4. Assemble and compare.
5. Store by compare-and-swap. After a crash step 3 runs again on the same TBS. The attempt is on
record just before the work begins, and what was tried before runs alone, so that nothing counts
against a request but its own work.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

import structlog
from sqlalchemy import update

from pipeline.actors.patience import Patience, is_infrastructure
from pipeline.broker.send import wake
from pipeline.crypto.envelope import Received
from pipeline.database.advance import advance
from pipeline.database.claim import Claim, claim
from pipeline.database.engine import AnyRow
from pipeline.database.sets import still
from pipeline.errors import ClockBehind, ItemFailed, KeyUnavailable
from pipeline.signer import issuance
from pipeline.signer.clock_check import ensure_not_behind
from pipeline.signer.operate import suspended
from pipeline.signer.side import SignerSide, move
from pipeline.signer.tables import TO_SIGN, ledger, requests
from pipeline.stages import SIGN, TRANSMIT
from pipeline.states import State

log = structlog.get_logger(__name__)

Claimed = AnyRow

TRY_AGAIN = timedelta(seconds=5)
"""After how long a request that failed by itself is tried again, times its attempts; and after how
long when the key is out of reach."""


def sign(side: SignerSide, patience: Patience, _received: Received) -> None:
    """Claim what waits for its signature, issue it, and wake `transmit`."""
    try:
        claimed = _claim(side)
    except ClockBehind as error:  # the sweep comes again; other stages go on meanwhile
        log.error("clock-is-behind", why=str(error))
        return
    fresh = [row for row in claimed.rows if row.attempts == 0]
    tried = [[row] for row in claimed.rows if row.attempts > 0]
    keep = partial(_keep, side, claimed)
    for number, rows in enumerate(([fresh] if fresh else []) + tried):
        if number:
            patience(keep)
        group = patience(partial(_begin, side, claimed, rows))
        if group:
            patience(partial(_issue, side, group), keep=keep)
    if claimed.rows:
        wake(side.send, TRANSMIT)
    if len(claimed.rows) == side.settings.worker.batch:
        wake(side.send, SIGN)


def _claim(side: SignerSide) -> Claim:
    worker = side.settings.worker
    with side.database.write() as connection:
        now = side.now()
        if suspended(connection):
            log.info("signing-is-suspended")
            return Claim(requests, "next_attempt_at", (), now)
        ensure_not_behind(connection, now)
        return claim(
            connection,
            requests,
            "next_attempt_at",
            TO_SIGN,
            now=now,
            lease=worker.lease_time,
            limit=worker.batch,
            returning=("id", "attempts"),
        )


def _begin(side: SignerSide, claimed: Claim, rows: Sequence[AnyRow]) -> Sequence[Claimed]:
    """Put the attempt on record (rows of equal attempts); return the rows that are still ours."""
    statement = (
        update(requests)
        .where(
            claimed.holds(row.id for row in rows),
            still(requests.c.state, State.WAITING_FOR_SIGNATURE),
        )
        .values(attempts=rows[0].attempts + 1)
        .returning(requests.c.id, requests.c.state, requests.c.revision, requests.c.attempts)
    )
    with side.database.write() as connection:
        return connection.execute(statement).all()


def _issue(side: SignerSide, group: Sequence[Claimed]) -> None:
    """Issue a group; on an error of one item, each alone."""
    try:
        if len(group) == 1:
            _check_attempts(side, group[0])
        issuance.issue(side, group)
    except issuance.Suspended:
        log.info("signing-is-suspended", count=len(group))
        _release(side, group, timedelta())
    except KeyUnavailable as error:  # waited for by the rows: decisions go on meanwhile
        log.error("key-out-of-reach", why=str(error), count=len(group))
        _release(side, group, TRY_AGAIN)
    except Exception as error:
        if is_infrastructure(error):
            raise
        if len(group) > 1:
            log.warning("batch-falls-apart", count=len(group), error=type(error).__name__)
            for row in group:
                _issue(side, [row])
        else:
            _failed(side, group[0], error)


def _check_attempts(side: SignerSide, row: Claimed) -> None:
    if row.attempts > side.settings.worker.max_attempts:
        raise ItemFailed(
            f"signing was begun {row.attempts - 1} times and did not come to an end; "
            "the worker may have died of this request"
        )


def _failed(side: SignerSide, row: Claimed, error: Exception) -> None:
    """Try again later, or give the request to an operator."""
    hopeless = isinstance(error, ItemFailed)
    now = side.now()
    if hopeless:
        log.error("cannot-be-issued", request_id=row.id, why=str(error))
    else:
        log.exception("issuing-failed", request_id=row.id, attempts=row.attempts)
    with side.database.write() as connection:
        if hopeless or row.attempts >= side.settings.worker.max_attempts:
            reason = str(error) if hopeless else f"issuing fails ({type(error).__name__})"
            advance(connection, ledger, "sign", [move(row, State.FAILED, now, reason=reason)], now)
        else:
            connection.execute(
                update(requests)
                .where(requests.c.id == row.id, TO_SIGN, requests.c.revision == row.revision)
                .values(next_attempt_at=now + TRY_AGAIN * row.attempts)
            )


def _release(side: SignerSide, group: Sequence[Claimed], pause: timedelta) -> None:
    """Give rows back as if they had not been begun: it was not their fault."""
    with side.database.write() as connection:
        for row in group:
            connection.execute(
                update(requests)
                .where(
                    requests.c.id == row.id,
                    requests.c.revision == row.revision,
                    requests.c.attempts == row.attempts,
                )
                .values(attempts=row.attempts - 1, next_attempt_at=side.now() + pause)
            )


def _keep(side: SignerSide, claimed: Claim) -> None:
    claimed.extend(side.database, side.now() + side.settings.worker.lease_time)
