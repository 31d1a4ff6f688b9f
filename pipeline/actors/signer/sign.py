"""`sign`: issue certificates, in the five steps of the design.

WAITING_FOR_SIGNATURE → ISSUED, or → FAILED when a request fails by itself, repeatedly, or when its
TBS can no longer be signed.

1. Re-check that signing is not suspended and that our clock is not behind. 2. Build the certificate
but for its signature and commit its TBS. 3. Sign exactly those bytes. 4. Assemble and compare.
5. Store by compare-and-swap. After a crash step 3 runs again on the same TBS.

The attempt is on record just before the work begins: the claim records the first ones, since these
are begun at once, and what was tried before is begun by itself and runs alone. So nothing counts
against a request but its own work.

What `policy` lets through at once it claims as it stores it, with step 2 done, and hands over to
``issue_claimed``.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog
from sqlalchemy import Connection, select, update
from structlog.contextvars import bound_contextvars

from pipeline.actors.patience import Patience, is_infrastructure
from pipeline.actors.signer.transmit import tell
from pipeline.broker.send import wake
from pipeline.crypto.envelope import Received
from pipeline.database.advance import advance
from pipeline.database.claim import Claim, claim, is_due
from pipeline.database.sets import still
from pipeline.errors import ClockBehind, ItemFailed, KeyUnavailable
from pipeline.messages import Outcome
from pipeline.signer import issuance
from pipeline.signer.begin import Begun, Claimed
from pipeline.signer.clock_check import LAST_ENTRY, ensure_not_behind
from pipeline.signer.operate import IS_SUSPENDED
from pipeline.signer.side import SignerSide, move
from pipeline.signer.tables import TO_SIGN, ledger, requests
from pipeline.stages import SIGN, TRANSMIT
from pipeline.states import State

log = structlog.get_logger(__name__)

TRY_AGAIN = timedelta(seconds=5)
"""After how long a request that failed by itself is tried again, times its attempts; and after how
long when the key is out of reach."""


def sign(side: SignerSide, patience: Patience, _received: Received) -> None:
    """Claim what waits for its signature, and issue it."""
    claimed = _claim(side)
    if claimed is None:
        return
    issue_claimed(side, patience, claimed)
    full = len(claimed.rows) == side.settings.worker.batch
    if full and is_due(side.database, claimed, TO_SIGN, side.now()):
        wake(side.send, SIGN)


@bound_contextvars(stage=SIGN.name)
def issue_claimed(
    side: SignerSide, patience: Patience, claimed: Claim, begun: dict[str, Begun] | None = None
) -> None:
    """Issue what is claimed, and tell the web side of it. ``begun`` is what step 2 has been done for,
    by id."""
    fresh = [row for row in claimed.rows if row.attempts == 0]
    if fresh:
        _issue_and_tell(side, patience, claimed, fresh, begun or {})
    for row in claimed.rows:
        if row.attempts > 0:
            patience(partial(_keep, side, claimed))
            if patience(partial(_begin, side, claimed, row)):
                _issue_and_tell(side, patience, claimed, [row], {})


def _issue_and_tell(
    side: SignerSide,
    patience: Patience,
    claimed: Claim,
    group: Sequence[Claimed],
    begun: dict[str, Begun],
) -> None:
    """Issue a group; what becomes of those that are not issued is left to `transmit`."""
    issued = patience(partial(_issue, side, group, begun), keep=partial(_keep, side, claimed))
    if issued:
        patience(partial(tell, side, issued))
    if len(issued) < len(group):
        wake(side.send, TRANSMIT)


_BEFORE: Final = select(IS_SUSPENDED.label("suspended"), LAST_ENTRY.label("last_entry"))


def may_begin(side: SignerSide, connection: Connection, now: datetime) -> bool:
    """Step 1: say whether signing is not suspended, and our clock not behind."""
    before = connection.execute(_BEFORE).one()
    if before.suspended:
        log.info("signing-is-suspended")
        return False
    try:
        ensure_not_behind(before.last_entry, now)
    except ClockBehind as error:  # the sweep comes again; other stages go on meanwhile
        log.error("clock-is-behind", why=str(error))
        return False
    return True


def _claim(side: SignerSide) -> Claim | None:
    """Claim what is due. That puts the first attempt on record: what has none is begun at once."""
    worker = side.settings.worker
    with side.database.change() as connection:
        now = side.now()
        if not may_begin(side, connection, now):
            return None
        claimed = claim(
            connection,
            requests,
            "next_attempt_at",
            TO_SIGN,
            now=now,
            lease=worker.lease_time,
            limit=worker.batch,
            returning=("id", "state", "revision", "attempts"),
            counts="first",
        )
    return replace(claimed, rows=[Claimed(*row) for row in claimed.rows])


def _begin(side: SignerSide, claimed: Claim, row: Claimed) -> bool:
    """Put a further attempt on record; return False when the row is no longer ours."""
    statement = (
        update(requests)
        .where(claimed.holds([row.id]), still(requests.c.state, State.WAITING_FOR_SIGNATURE))
        .values(attempts=row.attempts + 1)
    )
    with side.database.change() as connection:
        return connection.execute(statement).rowcount > 0


def _issue(side: SignerSide, group: Sequence[Claimed], begun: dict[str, Begun]) -> list[Outcome]:
    """Issue a group; on an error of one item, each alone. Return what is to be told of those issued."""
    try:
        if len(group) == 1:
            _check_attempts(side, group[0])
        return issuance.issue(side, group, begun)
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
            return [outcome for row in group for outcome in _issue(side, [row], begun)]
        _failed(side, group[0], error)
    return []


def _check_attempts(side: SignerSide, row: Claimed) -> None:
    if row.attempts >= side.settings.worker.max_attempts:
        raise ItemFailed(
            f"signing was begun {row.attempts} times and did not come to an end; "
            "the worker may have died of this request"
        )


def _failed(side: SignerSide, row: Claimed, error: Exception) -> None:
    """Try again later, or give the request to an operator."""
    hopeless = isinstance(error, ItemFailed)
    now = side.now()
    if hopeless:
        log.error("cannot-be-issued", request_id=row.id, why=str(error))
    else:
        log.exception("issuing-failed", request_id=row.id, attempts=row.attempts + 1)
    with side.database.write() as connection:
        if hopeless or row.attempts + 1 >= side.settings.worker.max_attempts:
            reason = str(error) if hopeless else f"issuing fails ({type(error).__name__})"
            advance(connection, ledger, "sign", [move(row, State.FAILED, now, reason=reason)], now)
        else:
            connection.execute(
                update(requests)
                .where(requests.c.id == row.id, TO_SIGN, requests.c.revision == row.revision)
                .values(next_attempt_at=now + TRY_AGAIN * (row.attempts + 1))
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
                    requests.c.attempts == row.attempts + 1,
                )
                .values(attempts=row.attempts, next_attempt_at=side.now() + pause)
            )


def _keep(side: SignerSide, claimed: Claim) -> None:
    claimed.extend(side.database, side.now() + side.settings.worker.lease_time)
