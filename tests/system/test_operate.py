"""Operators beside running workers, on a real PostgreSQL."""

import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import insert, select

from pipeline.database.advance import admit
from pipeline.database.engine import Database, open_database
from pipeline.database.migrate import migrate
from pipeline.signer.operate import NotPossible, reject, resume, suspend, suspended
from pipeline.signer.tables import ledger, requests, tbs
from pipeline.states import State
from tests.factories import NOW
from tests.servers import PostgreSQL

ID = "0197b3a0-0000-7000-8000-000000000001"


@pytest.fixture
def database(postgresql: PostgreSQL) -> Iterator[Database]:
    database = open_database(postgresql.create_database("test_operate"))
    migrate(database, "signer")
    yield database
    database.dispose()
    postgresql.drop_database("test_operate")


def test_a_request_whose_tbs_is_just_being_stored_is_not_rejected(database: Database) -> None:
    state = State.WAITING_FOR_SIGNATURE
    row = {"id": ID, "state": state, "revision": 1, "told_revision": 0, "tell_at": NOW}
    with database.write() as connection:
        admit(connection, ledger, "policy", [row], NOW)
    refusals: list[NotPossible] = []

    def operate() -> None:
        try:
            reject(database, ID, "a mistake", "operator", NOW)
        except NotPossible as error:
            refusals.append(error)

    operator = threading.Thread(target=operate)
    with database.write() as connection:
        values = {"serial": "ab", "issuer": "0" * 64, "octets": b"tbs", "created_at": NOW}
        connection.execute(
            insert(tbs).values(request_id=ID, not_before=NOW, not_after=NOW, **values)
        )
        operator.start()
        operator.join(timeout=0.5)
        assert operator.is_alive()  # it waits until it can know
    operator.join(timeout=120)
    assert [str(error) for error in refusals] == [
        f"request {ID} is being signed; it is too late to reject it"
    ]
    with database.read() as connection:
        assert connection.scalar(select(requests.c.state)) == state


def test_signing_is_suspended_and_resumed(database: Database) -> None:
    assert suspend(database, "the key was seen", "operator", NOW)
    assert not suspend(database, "again", "oleg", NOW)
    with database.read() as connection:
        assert suspended(connection)
    assert resume(database, "false alarm", "operator", NOW)
    with database.read() as connection:
        assert not suspended(connection)
