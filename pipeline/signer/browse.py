"""What operators see of requests on the signer side."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import func, select

from pipeline.database.engine import AnyRow, Database
from pipeline.signer.operate import NotFound
from pipeline.signer.tables import (
    audit,
    certificates,
    decisions,
    requests,
    submissions,
)
from pipeline.states import SIGNER_STATES, State

DECISION_COLUMNS: Final = (
    "id",
    "request_id",
    "verdict",
    "effect",
    "reason",
    "decided_at",
    "received_at",
)
"""What is listed of a decision; its evidence, the signed message, is of no use on a screen."""


def newest(database: Database, states: Collection[State], limit: int) -> Sequence[AnyRow]:
    """Return the newest requests in these states (in all of them, when there are none)."""
    columns = (submissions.c.profile_name, submissions.c.requester, submissions.c.source)
    query = (
        select(requests, *columns)
        .join_from(requests, submissions, isouter=True)
        .order_by(requests.c.created_at.desc(), requests.c.id.desc())
        .limit(limit)
    )
    found: list[AnyRow] = []
    with database.snapshot() as connection:
        for state in states or SIGNER_STATES:  # each by the index, however rare it is
            found += connection.execute(query.where(requests.c.state == state))
    return sorted(found, key=lambda row: (row.created_at, row.id), reverse=True)[:limit]


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
    with database.snapshot() as connection:  # else its parts may be of different moments
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


def decisions_by(database: Database, approver: str) -> Sequence[AnyRow]:
    """Return every decision that came from an approver, with its request's state (None when there
    is no such request), the newest first."""
    columns = (decisions.c[name] for name in DECISION_COLUMNS)
    query = (
        select(*columns, requests.c.state)
        .join_from(decisions, requests, decisions.c.request_id == requests.c.id, isouter=True)
        .where(decisions.c.approver == approver)
        .order_by(decisions.c.received_at.desc(), decisions.c.id)
    )
    with database.read() as connection:
        return connection.execute(query).all()
