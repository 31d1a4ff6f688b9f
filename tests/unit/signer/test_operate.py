"""What operators do: retry, reject, suspend, resume; and who did it is always on record."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from pipeline.database.advance import Move, admit, advance
from pipeline.database.engine import Database, open_database
from pipeline.database.migrate import migrate
from pipeline.signer import browse, operate
from pipeline.signer.operate import NotFound, NotPossible, reject, resume, retry, suspend, suspended
from pipeline.signer.tables import audit, ledger, requests, submissions, tbs
from pipeline.states import State
from tests.factories import NOW

ID = "0197b3a0-0000-7000-8000-000000000001"
OTHER = "0197b3a0-0000-7000-8000-000000000002"
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(f"sqlite:///{tmp_path / 'signer.db'}")
    migrate(database, "signer")
    yield database
    database.dispose()


def put(database: Database, state: State, request_id: str = ID) -> None:
    """Put a request that reached ``state`` by the stages' own moves."""
    first = State.WAITING_FOR_SIGNATURE if state in (State.FAILED, State.ISSUED) else state
    row = {"id": request_id, "state": first, "revision": 1, "told_revision": 0, "tell_at": NOW}
    with database.write() as connection:
        admit(connection, ledger, "policy", [{**row, "next_attempt_at": None}], NOW)
        connection.execute(
            insert(submissions).values(
                request_id=request_id,
                csr=b"not a CSR",
                profile_name="server",
                source="api",
                submitted_at=NOW,
                profile={},
                rule={"name": "default"},
                issuer="0" * 64,
                policy_digest="0" * 64,
            )
        )
        if first is not state:
            values = {"reason": "it broke", "attempts": 3}
            moves = [Move(request_id, first, state, 1, values=values)]
            advance(connection, ledger, "sign", moves, NOW)


def begin_signing(database: Database) -> None:
    with database.write() as connection:
        connection.execute(
            insert(tbs).values(
                request_id=ID,
                serial="ab",
                issuer="0" * 64,
                not_before=NOW,
                not_after=LATER,
                octets=b"tbs",
                created_at=NOW,
            )
        )


def the_request(database: Database) -> Any:
    with database.read() as connection:
        return connection.execute(select(requests).where(requests.c.id == ID)).one()


def last_entry(database: Database) -> Any:
    with database.read() as connection:
        return connection.execute(select(audit).order_by(audit.c.id.desc()).limit(1)).one()


def count_entries(database: Database) -> int:
    with database.read() as connection:
        return len(connection.execute(select(audit.c.id)).all())


def test_a_failed_request_is_signed_anew_after_retry(database: Database) -> None:
    put(database, State.FAILED)
    retry(database, ID, "operator", LATER)
    row = the_request(database)
    assert row.state == State.WAITING_FOR_SIGNATURE
    assert (row.revision, row.attempts, row.reason) == (3, 0, "")
    assert (row.next_attempt_at, row.tell_at, row.changed_at) == (LATER, LATER, LATER)
    entry = last_entry(database)
    assert (entry.event, entry.request_id, entry.at) == ("state-changed", ID, LATER)
    assert entry.details["operator"] == "operator"
    assert entry.details["by"] == "retry"


@pytest.mark.parametrize(
    "state",
    [State.WAITING_FOR_APPROVAL, State.WAITING_FOR_SIGNATURE, State.REJECTED, State.ISSUED],
)
def test_only_a_failed_request_is_retried(database: Database, state: State) -> None:
    put(database, state)
    before = the_request(database), count_entries(database)
    with pytest.raises(NotPossible, match=f"is {state}; only failed ones"):
        retry(database, ID, "operator", LATER)
    assert (the_request(database), count_entries(database)) == before


@pytest.mark.parametrize("state", [State.FAILED, State.WAITING_FOR_SIGNATURE])
def test_a_request_is_rejected_with_a_reason(database: Database, state: State) -> None:
    put(database, state)
    reject(database, ID, "the name is a mistake", "operator", LATER)
    row = the_request(database)
    assert (row.state, row.reason) == (State.REJECTED, "the name is a mistake")
    assert row.next_attempt_at is None
    assert row.tell_at == LATER
    assert last_entry(database).details["operator"] == "operator"
    assert last_entry(database).details["reason"] == "the name is a mistake"


def test_a_failed_request_is_rejected_even_when_signing_had_begun(database: Database) -> None:
    put(database, State.FAILED)
    begin_signing(database)
    reject(database, ID, "give up", "operator", LATER)
    assert the_request(database).state == State.REJECTED


def test_a_request_is_not_rejected_once_signing_began(database: Database) -> None:
    put(database, State.WAITING_FOR_SIGNATURE)
    begin_signing(database)
    with pytest.raises(NotPossible, match="is being signed; it is too late"):
        reject(database, ID, "too late", "operator", LATER)
    assert the_request(database).state == State.WAITING_FOR_SIGNATURE


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (State.WAITING_FOR_APPROVAL, "an approver rejects it"),
        (State.REJECTED, "no more to be changed"),
        (State.ISSUED, "no more to be changed"),
    ],
)
def test_nothing_else_is_rejected_by_an_operator(
    database: Database, state: State, sentence: str
) -> None:
    put(database, state)
    before = the_request(database)
    with pytest.raises(NotPossible, match=sentence):
        reject(database, ID, "no", "operator", LATER)
    assert the_request(database) == before


def test_a_rejection_without_a_reason_is_refused(database: Database) -> None:
    put(database, State.FAILED)
    with pytest.raises(NotPossible, match="needs a reason"):
        reject(database, ID, "  ", "operator", LATER)


@pytest.mark.parametrize("reason", ["x" * 2001, "two\nlines", "\x1b[2J", "\udcff"], ids=repr)
def test_a_reason_that_could_not_be_told_is_refused(database: Database, reason: str) -> None:
    put(database, State.FAILED)
    with pytest.raises(NotPossible, match="a reason is one line of at most 2000"):
        reject(database, ID, reason, "operator", LATER)
    with pytest.raises(NotPossible, match="a reason is one line of at most 2000"):
        suspend(database, reason, "operator", LATER)
    assert the_request(database).state == State.FAILED


def test_an_unknown_request_is_not_found(database: Database) -> None:
    with pytest.raises(NotFound):
        retry(database, ID, "operator", NOW)
    with pytest.raises(NotFound):
        reject(database, ID, "no", "operator", NOW)
    with pytest.raises(NotFound):
        browse.whole(database, ID)


def test_without_an_audit_entry_nothing_is_done(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("the audit cannot be written")

    monkeypatch.setattr(operate, "record", refuse)
    with pytest.raises(RuntimeError):
        suspend(database, "", "operator", NOW)
    with database.read() as connection:
        assert not suspended(connection)


def test_signing_is_suspended_and_resumed_with_reason_and_name(database: Database) -> None:
    assert suspend(database, "the key was seen", "operator", NOW)
    with database.read() as connection:
        assert suspended(connection)
    entry = last_entry(database)
    assert entry.event == "signing-suspended"
    assert entry.details == {"operator": "operator", "reason": "the key was seen"}
    assert resume(database, "false alarm", "oleg", LATER)
    with database.read() as connection:
        assert not suspended(connection)
    entry = last_entry(database)
    assert entry.event == "signing-resumed"
    assert entry.details == {"operator": "oleg", "reason": "false alarm"}


def test_doing_it_twice_changes_nothing(database: Database) -> None:
    assert not resume(database, "", "operator", NOW)
    assert suspend(database, "first", "operator", NOW)
    assert not suspend(database, "second", "oleg", LATER)
    assert count_entries(database) == 1


def test_operators_see_the_newest_requests_and_how_many_there_are(database: Database) -> None:
    put(database, State.FAILED)
    put(database, State.WAITING_FOR_APPROVAL, OTHER)
    assert {row.id for row in browse.newest(database, [], 10)} == {ID, OTHER}
    assert [row.id for row in browse.newest(database, [State.FAILED], 10)] == [ID]
    assert len(browse.newest(database, [], 1)) == 1
    assert browse.counts(database) == {State.FAILED: 1, State.WAITING_FOR_APPROVAL: 1}


def test_operators_see_the_whole_of_a_request(database: Database) -> None:
    put(database, State.FAILED)
    found = browse.whole(database, ID)
    assert found["request"]["state"] == State.FAILED
    assert found["submission"]["profile_name"] == "server"
    assert found["certificate"] is None
    assert [entry["details"]["to"] for entry in found["audit"]] == [
        State.WAITING_FOR_SIGNATURE,
        State.FAILED,
    ]
