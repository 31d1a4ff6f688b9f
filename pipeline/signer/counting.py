"""Which decisions count (on): those of approvers whom the signer trusts when it counts.

A decision stops counting when the certificate that signed it lies in ``revoked/``, or when no
certificate of its approver is trusted any more. One whose certificate was renewed, or ran out, goes
on counting: see docs/decisions/0019.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import Connection, select, update

from pipeline.crypto import jws
from pipeline.crypto.identity import Sender
from pipeline.crypto.trust import Trust
from pipeline.database.advance import record
from pipeline.database.engine import AnyRow
from pipeline.errors import MessageRefused
from pipeline.signer.tables import WAITING, audit, decisions, requests
from pipeline.stages import Role

log = structlog.get_logger(__name__)

COUNTED: Final = "counted"
REVOKED: Final = "revoked"
"""Effects of a decision: it counts; it does not, or no more, since its approver is not trusted."""


def why_not(token: bytes, approver: str, trust: Trust) -> str | None:
    """Return why a decision of ``approver``, signed as ``token``, does not count now, else None.

    ``token`` was verified when it arrived.
    """
    try:
        thumbprint = jws.parse(token).header.thumbprint
    except MessageRefused:
        return "evidence-unreadable"
    if trust.is_revoked(thumbprint):
        return "certificate-revoked"
    if not trust.knows(Sender(Role.APPROVER, approver)):
        return "approver-not-trusted"
    return None


def leave_out(connection: Connection, trust: Trust, request_id: str, now: datetime) -> None:
    """Let the decisions on a request that count no more have no effect; each is audited.

    The caller holds the lock on the request, which waits for approval. A decision that was left out
    stays so, and its approver may decide again.
    """
    statement = (
        select(decisions.c.id, decisions.c.approver, decisions.c.verdict, decisions.c.token)
        .where(decisions.c.request_id == request_id, decisions.c.effect == COUNTED)
        .order_by(decisions.c.received_at, decisions.c.id)
    )
    for row in connection.execute(statement).all():
        why = why_not(row.token, row.approver, trust)
        if why is not None:
            of_this_one = decisions.c.id == row.id, decisions.c.approver == row.approver
            connection.execute(update(decisions).where(*of_this_one).values(effect=REVOKED))
            details = {
                "decision": row.id,
                "approver": row.approver,
                "verdict": row.verdict,
                "why": why,
            }
            record(connection, audit, "decision-left-out", details, now, request_id)
            log.warning("decision-left-out", request_id=request_id, **details)


def counted_and_waiting(connection: Connection) -> Sequence[AnyRow]:
    """Return the decisions (``request_id``, ``approver``, ``token``) that count on requests which
    wait for more of them."""
    return connection.execute(
        select(decisions.c.request_id, decisions.c.approver, decisions.c.token)
        .join_from(decisions, requests, decisions.c.request_id == requests.c.id)
        .where(WAITING, decisions.c.effect == COUNTED)
        .order_by(decisions.c.request_id)
    ).all()
