"""What waits for an approver, read from the signer's database through the views made for that.

What an approval covers is made here from the very values that the screen shows: no digest is ever
read from the database, and the issuer is the fingerprint of the certificate that is shown.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.engine import make_url

from pipeline.database.engine import Database, open_database
from pipeline.digest import Approvable
from pipeline.errors import HttpcaError
from pipeline.signer.tables import (
    WAITING,
    approval_decisions,
    approval_issuers,
    approval_requests,
)
from pipeline.states import State


class NoDatabase(HttpcaError):
    """There is no database yet where the settings say that it is."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A decision as the signer recorded it; ``effect`` is the signer's word on what it did."""

    id: str
    request_id: str
    approver: str
    verdict: str
    reason: str
    effect: str
    decided_at: datetime
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Request:
    """One request with everything that an approver may see of it, read at one moment.

    ``issuer`` is the fingerprint that the request was given at `policy`; ``issuer_certificate`` is
    None when the signer does not show that certificate. ``key_fingerprint`` is the SHA-256 (hex) of
    the CSR's SubjectPublicKeyInfo.
    """

    id: str
    state: State
    revision: int
    reason: str
    created_at: datetime
    changed_at: datetime
    expires_at: datetime | None
    csr: bytes
    profile_name: str
    requester: str | None
    source: str
    comment: str
    submitted_at: datetime
    profile: Mapping[str, Any]
    rule: Mapping[str, Any]
    issuer: str
    key_fingerprint: str | None
    issuer_certificate: bytes | None
    decisions: tuple[Recorded, ...]

    @property
    def waits(self) -> bool:
        """Whether a decision on it can still count."""
        return self.state is State.WAITING_FOR_APPROVAL

    def approvable(self) -> Approvable:
        """Return what a decision on this request is about, made from what is shown."""
        issuer = self.issuer
        if self.issuer_certificate is not None:
            issuer = hashlib.sha256(self.issuer_certificate).hexdigest()
        return Approvable(
            request_id=self.id,
            csr=self.csr,
            requester=self.requester,
            profile=self.profile,
            rule=self.rule,
            issuer=issuer,
        )


Position = tuple[datetime, str]
"""Where a walk through what waits has come to: ``created_at`` and id of the last request seen."""


def open_signer(url: str) -> Database:
    """Open the signer's database, read-only.

    Raises:
        NoDatabase: it is a SQLite file that is not there (opening it would make an empty one).
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").is_file():
        raise NoDatabase(
            f"There is no signer database at {parsed.database} yet."
            " Start `httpca dev`, or run `httpca migrate --config DIR/signer`."
        )
    return open_database(url, pool_size=1, read_only=True)


def count(database: Database) -> int:
    """Return how many requests wait."""
    with database.read() as connection:
        return _count(connection)


def oldest(database: Database, limit: int) -> list[Request]:
    """Return up to ``limit`` requests that wait, the oldest first."""
    return oldest_of_all(database, limit)[0]


def oldest_of_all(database: Database, limit: int) -> tuple[list[Request], int]:
    """Return up to ``limit`` requests that wait, the oldest first, and how many wait in all."""
    statement = select(approval_requests).where(WAITING).order_by(*_order()).limit(limit)
    with database.snapshot() as connection:
        rows = connection.execute(statement).mappings().all()
        return _with_all(connection, rows), _count(connection)


def next_after(database: Database, position: Position | None) -> Request | None:
    """Return the oldest request that waits and comes after ``position`` (None: the first)."""
    statement = select(approval_requests).where(WAITING).order_by(*_order()).limit(1)
    if position is not None:
        created_at, request_id = position
        columns = approval_requests.c
        statement = statement.where(
            (columns.created_at > created_at)
            | ((columns.created_at == created_at) & (columns.id > request_id))
        )
    with database.snapshot() as connection:
        found = _with_all(connection, connection.execute(statement).mappings().all())
    return found[0] if found else None


def get(database: Database, request_id: str) -> Request | None:
    """Return one request by its whole id, in whatever state it is."""
    statement = select(approval_requests).where(approval_requests.c.id == request_id)
    with database.snapshot() as connection:
        found = _with_all(connection, connection.execute(statement).mappings().all())
    return found[0] if found else None


def ids_from(database: Database, first: str, last: str, limit: int) -> list[str]:
    """Return up to ``limit`` ids of requests in any state between two ids, both included."""
    column = approval_requests.c.id
    statement = select(column).where(column.between(first, last)).order_by(column).limit(limit)
    with database.read() as connection:
        return list(connection.scalars(statement))


def recorded(database: Database, approver: str, message_ids: Iterable[str]) -> dict[str, Recorded]:
    """Return which of an approver's decisions the signer has recorded, by the id of their message."""
    columns = approval_decisions.c
    statement = select(approval_decisions).where(
        columns.id.in_(list(message_ids)), columns.approver == approver
    )
    with database.read() as connection:
        rows = connection.execute(statement).mappings().all()
    return {row["id"]: Recorded(**row) for row in rows}


def _count(connection: Connection) -> int:
    found = connection.scalar(select(func.count()).select_from(approval_requests).where(WAITING))
    return found or 0


def _order() -> tuple[Any, Any]:
    return approval_requests.c.created_at, approval_requests.c.id


def _with_all(connection: Connection, rows: Sequence[Mapping[Any, Any]]) -> list[Request]:
    """Add decisions and issuers to rows.

    ``connection`` is the one of a snapshot that read the rows: a decision that is committed between
    two of these statements would else show without what it did to its request, or the other way.
    """
    decisions = approval_decisions.c
    by_request: dict[str, list[Recorded]] = {row["id"]: [] for row in rows}
    statement = (
        select(approval_decisions)
        .where(decisions.request_id.in_(list(by_request)))
        .order_by(decisions.received_at, decisions.id)
    )
    for row in connection.execute(statement).mappings():
        by_request[row["request_id"]].append(Recorded(**row))
    issuers = approval_issuers.c
    wanted = {row["issuer"] for row in rows}
    found = connection.execute(
        select(issuers.fingerprint, issuers.certificate).where(issuers.fingerprint.in_(wanted))
    )
    certificates = {row.fingerprint: row.certificate for row in found}
    return [
        Request(
            **{**row, "state": State(row["state"])},
            issuer_certificate=certificates.get(row["issuer"]),
            decisions=tuple(by_request[row["id"]]),
        )
        for row in rows
    ]
