"""`transmit`: tell the web side what it does not know yet.

No state changes: a row with ``told_revision < revision`` is published, then marked. A duplicate is
harmless, a lost one is asked for again.

What `sign` has just issued it tells itself, by ``tell``: it holds these rows already and has all that
is to be told. Should it die, they are due when their lease ends.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

import structlog
from sqlalchemy import Integer, bindparam, select, update
from structlog.contextvars import bound_contextvars

from pipeline.actors.patience import Patience
from pipeline.broker.send import wake
from pipeline.crypto.envelope import Received
from pipeline.database.claim import Claim, claim, is_due
from pipeline.database.engine import AnyRow
from pipeline.database.sets import among_given
from pipeline.errors import MessageRefused
from pipeline.messages import (
    MAX_ISSUERS,
    IssuerNotice,
    Outcome,
    OutcomeBatch,
    chunked,
    clip,
    read,
    write,
)
from pipeline.signer.side import SignerSide
from pipeline.signer.tables import TO_TELL, certificates, requests
from pipeline.stages import DELIVER, TRANSMIT
from pipeline.states import State

log = structlog.get_logger(__name__)


def transmit(side: SignerSide, patience: Patience, _received: Received) -> None:
    """Claim what is untold and due, publish it, mark it; wake another when there is more."""
    worker = side.settings.worker
    with side.database.change() as connection:
        claimed = claim(
            connection,
            requests,
            "tell_at",
            TO_TELL,
            now=side.now(),
            lease=worker.lease_time,
            limit=worker.batch,
        )
    if not claimed.rows:
        return
    patience(partial(_tell_claimed, side, claimed.ids), keep=partial(_keep, side, claimed))
    full = len(claimed.rows) == worker.batch
    if full and is_due(side.database, claimed, TO_TELL, side.now()):
        wake(side.send, TRANSMIT)


def _tell_claimed(side: SignerSide, ids: Sequence[str]) -> None:
    tell(side, _load(side, ids))


@bound_contextvars(stage=TRANSMIT.name)
def tell(side: SignerSide, untold: Sequence[Outcome]) -> None:
    """Publish outcomes of rows that are held, and mark them as told.

    Raises:
        InfrastructureError: broker or database are out of reach; the same call may be made again.
    """
    for outcomes in chunked(_readable(untold)):
        issuers = _issuers(side, outcomes)
        for others in range(MAX_ISSUERS, len(issuers), MAX_ISSUERS):
            side.send(DELIVER, OutcomeBatch(issuers=issuers[others : others + MAX_ISSUERS]))
        side.send(DELIVER, OutcomeBatch(outcomes, issuers[:MAX_ISSUERS]))
        _mark(side, outcomes)
        log.info("told", count=len(outcomes), request_ids=[outcome.id for outcome in outcomes])


# Statements are built once: to build one costs more than to run it.
_LOAD: Final = (
    select(
        requests.c.id,
        requests.c.state,
        requests.c.revision,
        requests.c.told_revision,
        requests.c.reason,
        requests.c.changed_at,
        certificates.c.certificate,
        certificates.c.issuer,
    )
    .join_from(requests, certificates, isouter=True)
    .where(among_given(requests.c.id, "ids"))
)
_MARK: Final = (
    update(requests)
    .where(
        among_given(requests.c.id, "ids"),
        requests.c.told_revision < bindparam("told", type_=Integer),
    )
    .values(told_revision=bindparam("told", type_=Integer))
)


def _load(side: SignerSide, ids: Sequence[str]) -> list[Outcome]:
    with side.database.read() as connection:
        rows = connection.execute(_LOAD, {"ids": ids}).all()
    return [_outcome(row) for row in rows if row.told_revision < row.revision]


def _issuers(side: SignerSide, outcomes: Sequence[Outcome]) -> list[IssuerNotice]:
    """Return the notices of the certificates' issuers: the web side keeps no certificate without."""
    with side.database.read() as connection:
        return side.issuers.notices_of(connection, {one.issuer for one in outcomes if one.issuer})


def _readable(outcomes: Sequence[Outcome]) -> Iterator[Outcome]:
    """Return the outcomes, but for those that the web side could not read: one of these would take
    its whole batch with it into the dead letters."""
    for outcome in outcomes:
        try:
            read(Outcome, write(outcome))
        except MessageRefused:
            log.error("outcome-cannot-be-told", request_id=outcome.id, state=outcome.state)
        else:
            yield outcome


def _outcome(row: AnyRow) -> Outcome:
    return Outcome(
        id=row.id,
        revision=row.revision,
        state=State(row.state),
        changed_at=row.changed_at,
        reason=clip(row.reason),
        certificate=row.certificate,
        issuer=row.issuer,
    )


def _mark(side: SignerSide, told: Sequence[Outcome]) -> None:
    by_revision: defaultdict[int, list[str]] = defaultdict(list)
    for outcome in told:
        by_revision[outcome.revision].append(outcome.id)
    with side.database.change() as connection:
        for revision, ids in by_revision.items():
            connection.execute(_MARK, {"ids": ids, "told": revision})


def _keep(side: SignerSide, claimed: Claim) -> None:
    claimed.extend(side.database, side.now() + side.settings.worker.lease_time)
