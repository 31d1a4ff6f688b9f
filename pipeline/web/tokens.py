"""Bearer tokens (RFC 6750): how a requester is known.

A token is shown once and kept as the SHA-256 of its text; its name is the requester's.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from pipeline.clock import Clock
from pipeline.database.advance import record
from pipeline.database.engine import Database
from pipeline.errors import HttpcaError
from pipeline.web import tables
from pipeline.web.aside import aside

PREFIX: Final = "httpca_"
"""By which people and secret scanners recognise a token."""

LONGEST_NAME: Final = 200

FRESH: Final = timedelta(seconds=1)
"""For how long a process goes by what the database said of a token. For so long one that was revoked
may still be good, and so whoever revokes waits for as long before they say that it is done."""

REMEMBERED: Final = 10_000
"""Tokens that one process remembers."""


class TokenError(HttpcaError):
    """A token cannot be made or revoked; the message says why."""


class NoSuchToken(TokenError):
    """There is no token of that name."""


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token; its text is not."""

    name: str
    created_at: datetime
    revoked_at: datetime | None


def create(database: Database, name: str, operator: str, now: datetime) -> str:
    """Make a token for the requester ``name``; return its text, which is kept nowhere.

    A requester whose token was revoked gets a new one, and with it their requests again.

    Raises:
        TokenError: the name cannot be one, or has a token.
    """
    if not name or name != name.strip() or not name.isprintable() or len(name) > LONGEST_NAME:
        raise TokenError(
            f"{name!r} cannot be a requester's name: write 1 to {LONGEST_NAME} visible characters, "
            "without a blank at either end"
        )
    text = PREFIX + secrets.token_urlsafe(32)
    values = {"hash": digest(text), "created_at": now, "revoked_at": None}
    table = tables.tokens
    try:
        with database.write() as connection:
            renewed = connection.execute(
                update(table)
                .where(table.c.name == name, table.c.revoked_at.is_not(None))
                .values(values)
            )
            if not renewed.rowcount:
                connection.execute(insert(table).values(name=name, **values))
            details = {"operator": operator, "name": name}
            record(connection, tables.audit, "token-created", details, now)
    except IntegrityError as error:
        raise TokenError(f"{name!r} has a token already; revoke it first") from error
    return text


def listed(database: Database) -> list[Token]:
    """Return all tokens by name, the revoked ones too."""
    table = tables.tokens
    statement = select(table.c.name, table.c.created_at, table.c.revoked_at).order_by(table.c.name)
    with database.read() as connection:
        return [Token(*row) for row in connection.execute(statement)]


def revoke(database: Database, name: str, operator: str, now: datetime) -> bool:
    """Make the token of ``name`` useless from now on; return False when it was so before.

    Raises:
        NoSuchToken: there is no such token.
    """
    table = tables.tokens
    with database.write() as connection:
        revoked = connection.execute(
            update(table)
            .where(table.c.name == name, table.c.revoked_at.is_(None))
            .values(revoked_at=now)
        )
        if revoked.rowcount:
            details = {"operator": operator, "name": name}
            record(connection, tables.audit, "token-revoked", details, now)
            return True
        known = connection.execute(select(table.c.name).where(table.c.name == name)).first()
    if known is None:
        raise NoSuchToken(f"there is no token {name!r}")
    return False


class Known:
    """Whose tokens they are that come again and again: the database is asked for each once a second
    and not at every call. One that is not valid is asked for every time."""

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now
        self._known: dict[bytes, tuple[str, datetime]] = {}

    def requester(self, hashed: bytes) -> str | None:
        """Return whose token it is, or None when there is none such or it is revoked."""
        now = self._now()
        known = self._known.get(hashed)
        if known is not None and abs(now - known[1]) < FRESH:
            return known[0]
        name = aside(lambda: self._look_up(hashed))
        if name is not None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[hashed] = (name, now)
        return name

    def _look_up(self, hashed: bytes) -> str | None:
        with self._database.read() as connection:
            return requester_of(connection, hashed)


def digest(text: str) -> bytes:
    """Return what is kept of a token's text."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def requester_of(connection: Connection, hashed: bytes) -> str | None:
    """Return whose token it is, or None when there is none such or it is revoked."""
    return connection.scalar(_REQUESTER, {"hashed": hashed})


_REQUESTER: Final = select(tables.tokens.c.name).where(
    tables.tokens.c.hash == bindparam("hashed"), tables.tokens.c.revoked_at.is_(None)
)
