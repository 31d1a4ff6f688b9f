"""Idempotency keys: a call that is sent again makes nothing twice.

Anonymous requesters share one space of keys, so theirs should be random.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from operator import itemgetter
from typing import Final

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.errors import N_, HttpcaError, RequesterError, Unreadable
from pipeline.web.tables import idempotency_keys

LONGEST: Final = 200
"""Characters of a key as it is sent."""

NOT_A_KEY: Final = N_(
    "The Idempotency-Key must have 1 to %(allowed)d visible ASCII characters. A random UUID is a"
    " good one."
)
REUSED: Final = N_(
    "This Idempotency-Key was used for another request. Use a new one for each request, and the"
    " same one only to send the very same again."
)


class Taken(HttpcaError):
    """Another transaction has just used the same key."""


@dataclass(frozen=True, slots=True)
class Once:
    """A key, and the hash of what is sent with it."""

    key: str
    body_hash: bytes


def once(key: str, *sent: bytes, place: int | None = None) -> Once:
    """Return the key with the hash of everything that must be the same when it comes again.

    ``place`` is that of a submission among many, which came with one key for all of them.

    Raises:
        Unreadable: ``bad-idempotency-key``.
    """
    if not 1 <= len(key) <= LONGEST or not (key.isascii() and key.isprintable()):
        raise Unreadable("bad-idempotency-key", NOT_A_KEY, allowed=LONGEST)
    total = sha256()
    for part in sent:
        total.update(len(part).to_bytes(8, "big") + part)
    return Once(key if place is None else f"{key}/{place}", total.digest())


def recall(connection: Connection, requester: str | None, once: Once) -> str | None:
    """Return the id of the request that this key made, if it made one.

    Raises:
        RequesterError: ``idempotency-key-reused``, what was sent with it was something else.
    """
    keys = idempotency_keys
    statement = select(keys.c.request_id, keys.c.body_hash).where(
        keys.c.requester == (requester or ""), keys.c.key == once.key
    )
    found = connection.execute(statement).first()
    if found is None:
        return None
    if found.body_hash != once.body_hash:
        raise RequesterError("idempotency-key-reused", REUSED)
    return str(found.request_id)


def remember(
    connection: Connection, made: Sequence[tuple[str | None, Once, str, datetime]]
) -> None:
    """Note what these keys made, in the transaction that makes it: requester, key, id, and when.

    In the order of the keys, so that of two who note the same ones one waits for the other, and not
    each for some of the other's.

    Raises:
        Taken: one of the keys was used meanwhile.
    """
    if not made:
        return
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = (
        dialect.insert(idempotency_keys).on_conflict_do_nothing().returning(idempotency_keys.c.key)
    )
    rows = [
        {
            "requester": requester or "",
            "key": once.key,
            "body_hash": once.body_hash,
            "request_id": request_id,
            "created_at": at,
        }
        for requester, once, request_id, at in made
    ]
    rows.sort(key=itemgetter("requester", "key"))
    if len(connection.execute(statement, rows).all()) < len(rows):
        raise Taken
