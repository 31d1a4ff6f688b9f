"""`sign`: issue certificates, in the five steps of the design.

WAITING_FOR_SIGNATURE → ISSUED, or → FAILED when a request fails by itself, repeatedly, or when its
TBS can no longer be signed.

1. Re-check that signing is not suspended and that our clock is not behind. 2. Build the certificate
with a throw-away key and commit its TBS. 3. Sign exactly those bytes. 4. Assemble and compare.
5. Store by compare-and-swap. After a crash step 3 runs again on the same TBS. The attempt is on
record before the work begins, and what was tried before runs alone.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

import structlog
from sqlalchemy import select, update

from pipeline.actors.patience import Patience, Stopped, is_infrastructure
from pipeline.broker.send import wake
from pipeline.crypto.envelope import Received
from pipeline.database.advance import advance
from pipeline.database.claim import claim, extend
from pipeline.database.engine import AnyRow
from pipeline.errors import ItemFailed
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
"""After how long a request that failed by itself is tried again, times its attempts."""


def sign(side: SignerSide, patience: Patience, _received: Received) -> None:
    """Claim what waits for its signature, issue it, and wake `transmit`."""
    claimed = _claim(side)
    first = [row for row in claimed if row.attempts == 1]
    again = [row for row in claimed if row.attempts > 1]
    keep = partial(_keep, side, [row.id for row in claimed])
    groups = ([first] if first else []) + [[row] for row in again]
    for number, group in enumerate(groups):
        try:
            patience(partial(_issue, side, group), keep=keep)
        except Stopped:  # waiting was not the requests' fault
            _release(side, [row for group in groups[number:] for row in group])
            raise
    if claimed:
        wake(side.send, TRANSMIT)
    if len(claimed) == side.settings.worker.batch:
        wake(side.send, SIGN)


def _claim(side: SignerSide) -> Sequence[Claimed]:
    worker = side.settings.worker
    now = side.now()
    with side.database.write() as connection:
        if suspended(connection):
            log.info("signing-is-suspended")
            return []
        ensure_not_behind(connection, now)
        return claim(
            connection,
            requests,
            "next_attempt_at",
            TO_SIGN,
            now=now,
            lease=worker.lease_time,
            limit=worker.batch,
            returning=("id", "state", "revision", "attempts"),
            attempts=requests.c.attempts + 1,
        )


def _issue(side: SignerSide, group: Sequence[Claimed]) -> None:
    """Issue a group; on an error of one item, each alone."""
    try:
        if len(group) == 1:
            _check_attempts(side, group[0])
        issuance.issue(side, group)
    except issuance.Suspended:
        log.info("signing-is-suspended", count=len(group))
        _release(side, group)
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
                .where(
                    requests.c.id == row.id,
                    requests.c.state == State.WAITING_FOR_SIGNATURE,
                    requests.c.revision == row.revision,
                )
                .values(next_attempt_at=now + TRY_AGAIN * row.attempts)
            )


def _release(side: SignerSide, group: Sequence[Claimed]) -> None:
    """Give a claim back, as if it had not been made."""
    with side.database.write() as connection:
        for row in group:
            connection.execute(
                update(requests)
                .where(
                    requests.c.id == row.id,
                    requests.c.revision == row.revision,
                    requests.c.attempts == row.attempts,
                )
                .values(attempts=row.attempts - 1, next_attempt_at=side.now())
            )


def _keep(side: SignerSide, ids: Sequence[str]) -> None:
    with side.database.write() as connection:
        still = connection.scalars(
            select(requests.c.id).where(
                requests.c.id.in_(ids), requests.c.state == State.WAITING_FOR_SIGNATURE
            )
        ).all()
        until = side.now() + side.settings.worker.lease_time
        extend(connection, requests, "next_attempt_at", still, until)
