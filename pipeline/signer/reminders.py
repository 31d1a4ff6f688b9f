"""Reminding approvers, by a hook, of what waits for longer than its rule allows.

Each request is told once in each period of its rule's ``remind_after``: its next time is moved ahead
and committed before the hook runs, so that a hook that fails or hangs is not run again for it at once.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from pipeline.crypto import csr as csrs
from pipeline.database.engine import AnyRow, Database
from pipeline.errors import RequesterError
from pipeline.signer.tables import WAITING, requests, submissions
from pipeline.signer.waiting_times import next_reminder


def take_due(database: Database, now: datetime, limit: int) -> list[AnyRow]:
    """Return at most ``limit`` requests of which approvers are to be reminded now, and let each come
    up again after its rule's time."""
    statement = (
        select(
            requests.c.id,
            requests.c.created_at,
            requests.c.expires_at,
            submissions.c.csr,
            submissions.c.profile_name,
            submissions.c.requester,
            submissions.c.source,
            submissions.c.rule,
        )
        .join_from(requests, submissions)
        .where(WAITING, requests.c.remind_at <= now)
        .order_by(requests.c.remind_at)
        .limit(limit)
        .with_for_update(of=requests, skip_locked=True)
    )
    with database.write() as connection:
        rows = list(connection.execute(statement))
        for row in rows:
            connection.execute(
                update(requests)
                .where(requests.c.id == row.id, WAITING)
                .values(remind_at=next_reminder(row.rule, now))
            )
    return rows


def told(rows: Sequence[AnyRow]) -> dict[str, Any]:
    """Return what the hook is told, in plain JSON types: what approvers may see, and no key."""
    return {
        "event": "requests-wait",
        "requests": [
            {
                "id": row.id,
                "requester": row.requester,
                "source": row.source,
                "profile": row.profile_name,
                "rule": row.rule.get("name"),
                "approvers": row.rule.get("approver_names"),
                "quorum": row.rule.get("quorum", 1),
                "names": _names(row.csr),
                "waiting_since": row.created_at.isoformat(),
                "expires_at": None if row.expires_at is None else row.expires_at.isoformat(),
            }
            for row in rows
        ],
    }


def _names(csr: bytes) -> list[str]:
    """Return the names; without any, the subject by which the request is known."""
    try:
        read = csrs.read(csr)
    except RequesterError:
        return []
    return [str(name) for name in read.names] or [read.subject]
