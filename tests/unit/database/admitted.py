"""Requests that the signer has admitted."""

import uuid

from pipeline.clock import now
from pipeline.database.advance import admit
from pipeline.database.engine import Database
from pipeline.signer.tables import ledger
from pipeline.states import State

NOW = now()


def admitted(
    database: Database, state: State = State.WAITING_FOR_APPROVAL, count: int = 1
) -> list[str]:
    ids = [str(uuid.uuid4()) for _ in range(count)]
    rows = [
        {"id": one, "state": state, "revision": 1, "told_revision": 0, "tell_at": NOW}
        for one in ids
    ]
    with database.write() as connection:
        assert admit(connection, ledger, "policy", rows, NOW) == set(ids)
    return ids
