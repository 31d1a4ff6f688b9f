"""What operators see of requests on the signer side."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import func, select

from pipeline.database.engine import AnyRow, Database
from pipeline.signer.operate import NotFound
from pipeline.signer.tables import audit, certificates, decisions, requests, submissions, switches
from pipeline.states import State


def newest(database: Database, states: Collection[State], limit: int) -> Sequence[AnyRow]:
    """Return the newest requests in these states (in all of them, when there are none)."""
    columns = (submissions.c.profile_name, submissions.c.requester, submissions.c.source)
    query = select(requests, *columns).join_from(requests, submissions, isouter=True)
    if states:
        query = query.where(requests.c.state.in_(states))
    query = query.order_by(requests.c.created_at.desc(), requests.c.id).limit(limit)
    with database.read() as connection:
        return connection.execute(query).all()


def counts(database: Database) -> dict[str, int]:
    """Return how many requests there are in each state."""
    query = select(requests.c.state, func.count()).group_by(requests.c.state)
    with database.read() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def whole(database: Database, request_id: str) -> dict[str, Any]:
    """Return all that the signer has of a request: itself, submission, decisions, certificate, audit.

    Raises:
        NotFound: there is no such request.
    """
    with database.read() as connection:
        row = connection.execute(select(requests).where(requests.c.id == request_id)).one_or_none()
        if row is None:
            raise NotFound(f"the signer knows no request {request_id}")

        def of(table: Any, key: Any, *order: Any) -> list[Mapping[str, Any]]:
            query = select(table).where(key == request_id).order_by(*order)
            return [dict(found._mapping) for found in connection.execute(query)]

        submitted = of(submissions, submissions.c.request_id)
        issued = of(certificates, certificates.c.request_id)
        return {
            "request": dict(row._mapping),
            "submission": submitted[0] if submitted else None,
            "decisions": of(decisions, decisions.c.request_id, decisions.c.received_at),
            "certificate": issued[0] if issued else None,
            "audit": of(audit, audit.c.request_id, audit.c.id),
        }


def switch(database: Database, name: str) -> AnyRow | None:
    """Return an operators' switch, if it was ever set."""
    with database.read() as connection:
        return connection.execute(select(switches).where(switches.c.name == name)).one_or_none()
