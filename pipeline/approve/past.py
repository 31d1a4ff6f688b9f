"""What came before a request: other requests of its requester and with its key, and certificates
for its names.

All by indexes and in bounded steps, so that it costs the same however much was issued. Each look is
ordered: else PostgreSQL expects to meet a row soon, and reads the whole table for it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, select, tuple_

from pipeline.approve.waiting import Request
from pipeline.crypto.names import Name
from pipeline.database.engine import Database
from pipeline.signer.tables import approval_names, approval_requests
from pipeline.states import State

MOST_USES: Final = 1000
"""Of a key that came more often, so many of its other requests are looked at."""

AT_ONCE: Final = 300
"""Requests, or names, of one statement."""

T = TypeVar("T")

RECENT: Final = 5
NAMES: Final = 8
CERTIFICATES: Final = 3
"""How much of a history is shown: of requests, of names, and of certificates of one name."""


@dataclass(frozen=True, slots=True)
class Past:
    """What is unusual about a request because of what came before it.

    ``first`` is said of known requesters only. ``key_of_others`` is about requests of any state,
    ``key_issued`` about certificates: who asks again after a rejection reuses nothing.
    """

    first: bool
    new_names: tuple[Name, ...]
    key_of_others: bool
    key_issued: bool


@dataclass(frozen=True, slots=True)
class Earlier:
    """Another request, as the history shows it."""

    id: str
    state: State
    requester: str | None
    profile_name: str
    submitted_at: datetime


@dataclass(frozen=True, slots=True)
class History:
    """Other requests by the same requester and with the same key, and certificates for each name,
    the newest first and only so many of each; ``since`` is when the requester asked first."""

    since: datetime | None
    of_requester: tuple[Earlier, ...]
    of_key: tuple[Earlier, ...]
    of_names: tuple[tuple[Name, tuple[Earlier, ...]], ...]


_COLUMNS: Final = tuple(
    approval_requests.c[name]
    for name in ("id", "state", "requester", "profile_name", "submitted_at")
)


def of(database: Database, names: Mapping[str, Sequence[Name]]) -> dict[str, Past]:
    """Return the past of requests, given by their ids with their names; of ids that there are."""
    found: dict[str, Past] = {}
    with database.read() as connection:
        issued = _issued(connection, {name for several in names.values() for name in several})
        for ids in _in_steps(list(names)):
            for row in connection.execute(_PAST.where(_THIS.c.id.in_(ids))):
                new = tuple(name for name in names[row.id] if name not in issued)
                first = row.requester is not None and not row.asked_before
                found[row.id] = Past(first, new, row.key_of_others, row.key_issued)
    return found


def history(database: Database, request: Request, names: Sequence[Name]) -> History:
    """Return what came before a request, for a closer look at the first of its names."""
    columns = approval_requests.c
    others = select(*_COLUMNS).where(columns.id != request.id)
    newest = (columns.submitted_at.desc(), columns.id.desc())
    with database.read() as connection:
        since: datetime | None = None
        of_requester: tuple[Earlier, ...] = ()
        if request.requester is not None:
            own = others.where(columns.requester == request.requester)
            of_requester = _earlier(connection, own.order_by(*newest).limit(RECENT))
            first = own.order_by(columns.submitted_at, columns.id).limit(1)
            since = next((row.submitted_at for row in connection.execute(first)), None)
        of_key: tuple[Earlier, ...] = ()
        if request.key_fingerprint is not None:
            same = others.where(columns.key_fingerprint == request.key_fingerprint)
            of_key = _earlier(connection, same.order_by(*newest).limit(RECENT))
        of_names = tuple((name, _certificates(connection, name)) for name in names[:NAMES])
    return History(since, of_requester, of_key, of_names)


def _certificates(connection: Connection, name: Name) -> tuple[Earlier, ...]:
    """Return the requests whose certificates have a name; their ids rise with time (UUID v7)."""
    ids = list(connection.scalars(_certificate_of(name).limit(CERTIFICATES)))
    return _earlier(
        connection,
        select(*_COLUMNS)
        .where(approval_requests.c.id.in_(ids))
        .order_by(approval_requests.c.id.desc()),
    )


def _certificate_of(name: Name) -> Select[tuple[str]]:
    return (
        select(approval_names.c.request_id)
        .where(approval_names.c.digest == name.digest)
        .order_by(approval_names.c.request_id.desc())
    )


def _earlier(connection: Connection, query: Select[Any]) -> tuple[Earlier, ...]:
    rows = connection.execute(query).mappings()
    return tuple(Earlier(**{**row, "state": State(row["state"])}) for row in rows)


def _issued(connection: Connection, names: set[Name]) -> set[Name]:
    """Return which names were ever issued. One look for each: a name may have been issued often."""
    found: set[Name] = set()
    for some in _in_steps(sorted(names)):
        looks = [_certificate_of(name).limit(1).scalar_subquery().label(None) for name in some]
        answers = connection.execute(select(*looks)).one()
        found.update(name for name, one in zip(some, answers, strict=True) if one is not None)
    return found


def _in_steps(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for begin in range(0, len(items), AT_ONCE):
        yield items[begin : begin + AT_ONCE]


_THIS: Final = approval_requests.alias("this")
_OTHER: Final = approval_requests.alias("other")


_NEWEST: Final = (_OTHER.c.submitted_at.desc(), _OTHER.c.id.desc())


def _asked_before() -> ColumnElement[bool]:
    earlier = tuple_(_OTHER.c.submitted_at, _OTHER.c.id) < tuple_(_THIS.c.submitted_at, _THIS.c.id)
    others = select(_OTHER.c.id).where(_OTHER.c.requester == _THIS.c.requester, earlier)
    return others.order_by(*_NEWEST).limit(1).scalar_subquery().is_not(None)


def _key_came_with(condition: Callable[[ColumnElement[Any], ColumnElement[Any]], Any]) -> Any:
    """Return whether some other request with this key has a requester and a state such that."""
    same_key = _OTHER.c.key_fingerprint == _THIS.c.key_fingerprint
    uses = (
        select(_OTHER.c.requester, _OTHER.c.state)
        .where(same_key, _OTHER.c.id != _THIS.c.id)
        .order_by(*_NEWEST)
        .limit(MOST_USES)
        .correlate(_THIS)
        .subquery()
    )
    return select(1).select_from(uses).where(condition(uses.c.requester, uses.c.state)).exists()


_PAST: Final = select(
    _THIS.c.id,
    _THIS.c.requester,
    _asked_before().label("asked_before"),
    _key_came_with(lambda requester, _: requester.is_distinct_from(_THIS.c.requester)).label(
        "key_of_others"
    ),
    _key_came_with(lambda _, state: state == State.ISSUED).label("key_issued"),
)
