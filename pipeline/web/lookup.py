"""Read requests back, for those who may see them: their own, and anonymous ones by id alone."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    bindparam,
    literal,
    or_,
    select,
    tuple_,
    union_all,
)

from pipeline.database.columns import RequestId, UtcDateTime
from pipeline.database.engine import AnyRow
from pipeline.errors import N_, RequesterError, Unreadable
from pipeline.states import FINAL, State
from pipeline.web.problems import NOT_FOUND
from pipeline.web.tables import certificates, issuers, requests, submissions

BAD_CURSOR: Final = N_(
    "This cursor is not one that the list gave out. Begin without a cursor and follow “next”."
)

_COLUMNS: Final = (
    requests.c.id,
    requests.c.state,
    requests.c.revision,
    requests.c.reason,
    requests.c.requester,
    requests.c.created_at,
    requests.c.changed_at,
    requests.c.withdrawal_wished,
    submissions.c.profile,
    submissions.c.comment,
    submissions.c.csr,
)

_NEWEST_FIRST: Final = (requests.c.created_at.desc(), requests.c.id.desc())


@dataclass(frozen=True, slots=True)
class Found:
    """A request as its requester may see it; ``certificate`` is DER, ``chain`` PEM."""

    id: str
    state: State
    revision: int
    reason: str
    requester: str | None
    created_at: datetime
    changed_at: datetime
    withdrawal_wished: bool
    profile: str
    comment: str
    csr: bytes
    certificate: bytes | None = None
    chain: bytes | None = None

    @property
    def final(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in FINAL


_FIND: Final = (
    select(*_COLUMNS, certificates.c.certificate, issuers.c.chain)
    .join_from(requests, submissions)
    .outerjoin(certificates, certificates.c.request_id == requests.c.id)
    .outerjoin(issuers, issuers.c.fingerprint == certificates.c.issuer)
    .where(
        requests.c.id == bindparam("id_"),
        or_(requests.c.requester.is_(None), requests.c.requester == bindparam("requester_")),
    )
)
"""Built once: to build a statement costs more than to run it."""


def find(connection: Connection, request_id: str, requester: str | None) -> Found:
    """Return the request, if ``requester`` may see it.

    Raises:
        RequesterError: ``not-found``, also for another's.
    """
    row = connection.execute(_FIND, {"id_": request_id, "requester_": requester}).first()
    if row is None:
        raise RequesterError("not-found", NOT_FOUND)
    return _found(row)


def listed(
    connection: Connection,
    requester: str,
    *,
    states: Sequence[State] = (),
    cursor: str = "",
    limit: int,
) -> tuple[list[Found], str | None]:
    """Return a requester's own requests, the newest first, and the cursor of the page after.

    Certificates are left out.

    Raises:
        Unreadable: ``bad-cursor``.
    """
    own = (
        select(requests.c.id, requests.c.created_at)
        .where(requests.c.requester == requester)
        .order_by(*_NEWEST_FIRST)
        .limit(limit + 1)
    )
    if cursor:
        created_at, last = _read_cursor(cursor)
        position = tuple_(literal(created_at, UtcDateTime), literal(last, RequestId))
        own = own.where(tuple_(requests.c.created_at, requests.c.id) < position)
    page_of = own.subquery()
    if states:  # each by the index, however rare it is, and all at the same moment
        each = [own.where(requests.c.state == _as_it_is(state)).subquery() for state in states]
        page_of = union_all(*(select(one.c.id, one.c.created_at) for one in each)).subquery()
    statement = (
        select(*_COLUMNS)
        .join_from(page_of, requests, requests.c.id == page_of.c.id)
        .join(submissions)
        .order_by(*_NEWEST_FIRST)
        .limit(limit + 1)
    )
    found = [_found(row) for row in connection.execute(statement)]
    page = found[:limit]
    return page, _cursor(page[-1]) if len(found) > limit else None


def _as_it_is(state: State) -> ColumnElement[str]:
    """Return a state as part of a statement's text: PostgreSQL knows then how rare it is, and so which
    index to take."""
    return literal(state.value, String, literal_execute=True)


def _found(row: AnyRow) -> Found:
    values = row._asdict()
    return Found(**values | {"state": State(row.state)})


def _cursor(last: Found) -> str:
    text = f"{last.created_at.astimezone(UTC).isoformat()} {last.id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[datetime, str]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        moment, _, request_id = text.partition(" ")
        created_at = datetime.fromisoformat(moment)
        return created_at.astimezone(UTC), str(UUID(request_id))
    except (binascii.Error, ValueError, OverflowError):
        raise Unreadable("bad-cursor", BAD_CURSOR) from None
