"""`deliver`: store what the signer says of requests, for their requesters.

SUBMITTED, RELAYED or any state of the signer that is not final → any state of the signer, at a
higher revision only. So an outcome may come twice, late and out of order.

A message that was delivered again is applied as ever once, on record; when a worker died of that too,
each of its items is applied alone, with its attempt on record before. After too many an item is left
out, and the message is kept among the dead letters.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeVar

import structlog
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, IntegrityError

from pipeline.actors.guard import DEADLY
from pipeline.actors.web import bulk
from pipeline.actors.web.side import WebSide
from pipeline.actors.web.witness import witness
from pipeline.broker.send import wake
from pipeline.crypto import der
from pipeline.crypto.certificates import certificate_from_der, public_key_of, request_from_der
from pipeline.crypto.envelope import Received
from pipeline.crypto.public_keys import spki
from pipeline.database.advance import Move, advance, record
from pipeline.database.engine import AnyRow
from pipeline.database.sets import among_given
from pipeline.database.values import Rows
from pipeline.errors import MessageRefused
from pipeline.messages import IssuerNotice, Outcome, OutcomeBatch
from pipeline.stages import RELAY
from pipeline.states import FINAL, SIGNER_STATES, State
from pipeline.web.tables import audit, certificates, issuers, ledger, requests, submissions

log = structlog.get_logger(__name__)

T = TypeVar("T")

_READ: Final = (
    select(requests.c.id, requests.c.state, requests.c.revision, submissions.c.csr)
    .join_from(requests, submissions)
    .where(among_given(requests.c.id, "ids"))
)
_KNOWN: Final = select(issuers.c.fingerprint).where(among_given(issuers.c.fingerprint, "keys"))
"""Built once: to build a statement costs more than to run it."""


def deliver(side: WebSide, received: Received) -> None:
    """Apply outcomes, and issuing CAs before them, since outcomes name these.

    Raises:
        MessageRefused: something in the message was given up, and the rest is applied.
    """
    batch = received.body_as(OutcomeBatch)
    issuing = _unknown(side, batch.issuers)
    witness(side, batch.checkpoints)
    outcomes = _latest(batch.outcomes)
    deadly = received.redelivered and side.tries.died_of(received.id)
    suspected = side.tries.suspects([*issuing, *outcomes], redelivered=deadly)
    _learn(side, [notice for key, notice in issuing.items() if key not in suspected])
    given_up = _alone(side, issuing, suspected, _learn)
    _apply_all(side, [outcome for key, outcome in outcomes.items() if key not in suspected])
    given_up |= _alone(side, outcomes, suspected, _apply_all)
    if received.redelivered:
        side.tries.forget([received.id])
    side.delivered()
    with side.database.read() as connection:
        more = bulk.waits(connection, side)
    if more:
        wake(side.send, RELAY)
    if given_up:
        raise MessageRefused(DEADLY, received.sender.name)


def _alone(
    side: WebSide,
    items: Mapping[str, T],
    suspected: Collection[str],
    apply: Callable[[WebSide, Sequence[T]], None],
) -> set[str]:
    """Apply each suspect by itself, unless it had too many attempts; return those that had."""
    given_up = set()
    for key in items.keys() & suspected:
        if side.tries.begin(key):
            apply(side, [items[key]])
            side.tries.forget([key])  # now: else the next one's deadliness would count for it too
        else:
            log.error("cannot-be-delivered", item=key, attempts=side.tries.most)
            given_up.add(key)
    return given_up


def _apply_all(side: WebSide, outcomes: Sequence[Outcome]) -> None:
    """Apply outcomes; on an error of one item, each in a transaction of its own."""
    try:
        _apply(side, outcomes)
    except _ITEM_ERRORS:
        log.warning("batch-falls-apart", count=len(outcomes))
        for outcome in outcomes:
            _apply_alone(side, outcome)


class _Unfit(ValueError):
    """An outcome that does not fit the request that it speaks of."""


_ITEM_ERRORS = (ValueError, KeyError, TypeError, IntegrityError, DataError)


def _apply_alone(side: WebSide, outcome: Outcome) -> None:
    try:
        _apply(side, [outcome])
    except _ITEM_ERRORS as error:
        why = str(error) if isinstance(error, _Unfit) else type(error).__name__
        log.error("outcome-refused", request_id=outcome.id, why=why)
        with side.database.write() as connection:
            details = {"revision": outcome.revision, "state": outcome.state, "why": why}
            record(connection, audit, "outcome-refused", details, side.now(), outcome.id)


def _apply(side: WebSide, outcomes: Sequence[Outcome]) -> None:
    """Apply by compare-and-swap until nothing is left that is newer than what stands."""
    wanted = {outcome.id: outcome for outcome in outcomes}
    while wanted:
        now = side.now()
        with side.database.write() as connection:
            rows = connection.execute(_READ, {"ids": list(wanted)}).all()
            for unknown in wanted.keys() - {row.id for row in rows}:
                log.warning("outcome-for-unknown-request", request_id=unknown)
            wanted = {
                row.id: wanted[row.id] for row in rows if row.revision < wanted[row.id].revision
            }
            moves = [_move(row, wanted[row.id], now, side) for row in rows if row.id in wanted]
            own = {certificates.c.request_id: _certificates(wanted.values(), now)}
            moved = advance(connection, ledger, "deliver", moves, now, belonging=own)
        _log(wanted[request_id] for request_id in moved)
        wanted = {key: outcome for key, outcome in wanted.items() if key not in moved}


def _log(delivered: Iterable[Outcome]) -> None:
    by_state: defaultdict[State, list[str]] = defaultdict(list)
    for outcome in delivered:
        by_state[outcome.state].append(outcome.id)
    for state, ids in by_state.items():
        log.info("delivered", state=state, count=len(ids), request_ids=ids)


def _move(row: AnyRow, outcome: Outcome, now: datetime, side: WebSide) -> Move:
    if outcome.state not in SIGNER_STATES:
        raise _Unfit(f"{outcome.state} is no state of the signer")
    if State(row.state) in FINAL:
        raise _Unfit(f"the request has ended as {row.state}")
    if (outcome.state is State.ISSUED) != (outcome.certificate is not None):
        raise _Unfit("a certificate comes with ISSUED and only with it")
    if outcome.certificate is not None:
        if outcome.issuer is None:
            raise _Unfit("the certificate's issuer is not named")
        _check_key(outcome.certificate, row.csr)
    ask_again = now + timedelta(seconds=side.settings.ask.first)
    values = {
        "reason": outcome.reason,
        "attempts": 0,
        "next_attempt_at": None if outcome.state in FINAL else ask_again,
    }
    return Move(row.id, State(row.state), outcome.state, row.revision, outcome.revision, values)


def _check_key(certificate: bytes, csr: bytes) -> None:
    """A certificate for another key than the request's is of no use, and a sign of an attack.

    The same octets are the same key. Of a point of a curve there are other octets: those keys are
    compared.
    """
    issued = certificate_from_der(certificate)
    if der.certificate_spki(certificate) == der.request_spki(csr):
        return
    if spki(public_key_of(issued)) != spki(public_key_of(request_from_der(csr))):
        raise _Unfit("the certificate is for another key than the request's")


def _certificates(outcomes: Iterable[Outcome], now: datetime) -> Rows:
    return [
        {
            "request_id": outcome.id,
            "certificate": outcome.certificate,
            "issuer": outcome.issuer,
            "received_at": now,
        }
        for outcome in outcomes
        if outcome.certificate is not None
    ]


def _unknown(side: WebSide, notices: Sequence[IssuerNotice]) -> dict[str, IssuerNotice]:
    """Return the issuing CAs that are not known yet, by fingerprint: each comes with every message."""
    named = {notice.fingerprint: notice for notice in notices}
    if named:
        with side.database.read() as connection:
            for known in connection.scalars(_KNOWN, {"keys": list(named)}):
                del named[known]
    return named


def _learn(side: WebSide, notices: Sequence[IssuerNotice]) -> None:
    """Note issuing CAs; one that cannot be read, or is another than its fingerprint says, is left
    out."""
    rows = []
    for notice in notices:
        try:
            if hashlib.sha256(notice.chain[0]).hexdigest() != notice.fingerprint:
                raise _Unfit("the fingerprint is that of another certificate")
            chain = "".join(_pem(der) for der in notice.chain)
            rows.append(
                {
                    "fingerprint": notice.fingerprint,
                    "chain": chain.encode("ascii"),
                    "root": _pem(notice.root).encode("ascii"),
                    "heard_at": side.now(),
                }
            )
        except ValueError:
            log.error("issuer-refused", fingerprint=notice.fingerprint)
    if rows:
        with side.database.write() as connection:
            dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
            connection.execute(dialect.insert(issuers).on_conflict_do_nothing(), rows)


def _pem(der: bytes) -> str:
    certificate = certificate_from_der(der)
    return certificate.public_bytes(Encoding.PEM).decode("ascii")


def _latest(outcomes: Sequence[Outcome]) -> dict[str, Outcome]:
    """Keep the highest revision of each request, by its id."""
    latest: dict[str, Outcome] = {}
    for outcome in outcomes:
        known = latest.get(outcome.id)
        if known is None or known.revision < outcome.revision:
            latest[outcome.id] = outcome
    return latest
