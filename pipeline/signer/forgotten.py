"""A signer that is asked for more than it ever told: its database is older than what it did."""

from collections.abc import Iterable, Mapping
from typing import Final

import structlog
from sqlalchemy import update

from pipeline.database.advance import record
from pipeline.database.engine import AnyRow
from pipeline.messages import Submission
from pipeline.signer.operate import suspend_after_restore
from pipeline.signer.side import SignerSide
from pipeline.signer.tables import audit, requests

log = structlog.get_logger(__name__)

LARGEST_BELIEVED: Final = 2**29
"""No request changes so often: a higher revision is a lie. What follows on it has to be a number that
a message takes (``pipeline.messages.Revision``), or nothing is read that is asked together with it."""


def notice(side: SignerSide, asked: Iterable[Submission], known: Mapping[str, AnyRow]) -> None:
    """Suspend signing if the web side has heard more than we ever told: until we have learnt from it
    what we did. It listens to higher revisions only, so that these are raised.

    ``known`` are the rows (with ``revision``) of the requests that we know, by their ids.
    """
    now = side.now()
    revisions = {one.id: known[one.id].revision if one.id in known else 0 for one in asked}
    more = [one for one in asked if one.known_revision > revisions[one.id]]
    ahead = [one for one in more if one.known_revision <= LARGEST_BELIEVED]
    if len(ahead) < len(more):
        lies = [one.id for one in more if one.known_revision > LARGEST_BELIEVED]
        log.warning("revision-not-believed", request_ids=lies)
    if not ahead:
        return
    with side.database.write() as connection:
        for one in ahead:
            raised = connection.execute(
                update(requests)
                .where(requests.c.id == one.id, requests.c.revision == revisions[one.id])
                .values(
                    revision=one.known_revision + 1, told_revision=one.known_revision, tell_at=now
                )
            )
            if raised.rowcount:
                details = {"from": revisions[one.id], "to": one.known_revision + 1}
                record(connection, audit, "revision-raised", details, now, one.id)
    evidence = f"the web side heard revision {ahead[0].known_revision} of request {ahead[0].id}"
    suspend_after_restore(side.database, evidence, now)
