"""The one function that changes a state."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from pipeline.database.advance import ForbiddenTransition, Move, admit, advance
from pipeline.database.engine import Database
from pipeline.signer.tables import audit, ledger, requests
from pipeline.states import SIGNER, State
from tests.unit.database.admitted import NOW, admitted


def rows(database: Database) -> dict[str, Any]:
    with database.read() as connection:
        return {row.id: row for row in connection.execute(select(requests))}


def entries(database: Database) -> list[Any]:
    with database.read() as connection:
        return list(connection.execute(select(audit).order_by(audit.c.id)))


def test_a_move_changes_the_state_counts_the_revision_and_is_audited(database: Database) -> None:
    (one,) = admitted(database)
    later = NOW + timedelta(hours=1)
    move = Move(
        one, State.WAITING_FOR_APPROVAL, State.REJECTED, 1,
        values={"reason": "no"}, details={"approver": "approver"},
    )  # fmt: skip

    with database.write() as connection:
        assert advance(connection, ledger, "decide", [move], later) == {one}

    row = rows(database)[one]
    assert (row.state, row.revision, row.reason, row.changed_at) == ("rejected", 2, "no", later)
    assert entries(database)[-1].details == {
        "by": "decide",
        "from": "waiting_for_approval",
        "to": "rejected",
        "revision": 2,
        "approver": "approver",
    }


@pytest.mark.parametrize(
    "stale",
    [
        pytest.param({"revision": 2}, id="another revision"),
        pytest.param({"source": State.FAILED}, id="another state"),
    ],
)
def test_a_row_that_is_no_longer_as_it_was_read_is_left_alone(
    stale: dict[str, Any], database: Database
) -> None:
    (one,) = admitted(database)
    wanted: dict[str, Any] = {"source": State.WAITING_FOR_APPROVAL, "revision": 1} | stale
    maker = "decide" if wanted["source"] is State.WAITING_FOR_APPROVAL else "reject"
    before = len(entries(database))

    with database.write() as connection:
        moves = [Move(one, wanted["source"], State.REJECTED, wanted["revision"])]
        assert advance(connection, ledger, maker, moves, NOW) == set()

    assert rows(database)[one].state == "waiting_for_approval"
    assert len(entries(database)) == before


def test_many_moves_of_several_kinds_go_at_once(database: Database) -> None:
    ids = admitted(database, count=30)
    moves = [
        Move(
            one,
            State.WAITING_FOR_APPROVAL,
            State.REJECTED if number % 2 else State.WAITING_FOR_SIGNATURE,
            1,
            values={"reason": f"reason {number % 3}"},
        )
        for number, one in enumerate(ids)
    ]

    with database.write() as connection:
        assert advance(connection, ledger, "decide", moves, NOW) == set(ids)

    found = rows(database)
    for number, one in enumerate(ids):
        assert found[one].reason == f"reason {number % 3}"
        assert found[one].state == ("rejected" if number % 2 else "waiting_for_signature")
    assert len(entries(database)) == 60


@pytest.mark.parametrize("source", [None, *State])
@pytest.mark.parametrize("target", State)
def test_only_the_makers_of_the_table_may_move(
    source: State | None, target: State, database: Database
) -> None:
    makers = {maker for makers in SIGNER.values() for maker in makers}
    for maker in makers - SIGNER.get((source, target), frozenset()):
        with database.write() as connection:
            if source is None:
                row = {"id": str(uuid.uuid4()), "state": target, "revision": 1}
                with pytest.raises(ForbiddenTransition):
                    admit(connection, ledger, maker, [row], NOW)
            else:
                move = Move(str(uuid.uuid4()), source, target, 1)
                with pytest.raises(ForbiddenTransition):
                    advance(connection, ledger, maker, [move], NOW)


def test_state_and_audit_entry_stand_or_fall_together(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = admitted(database)

    def begin_and_fail() -> None:
        with database.write() as connection:
            move = Move(one, State.WAITING_FOR_APPROVAL, State.REJECTED, 1)
            advance(connection, ledger, "decide", [move], NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        begin_and_fail()

    assert rows(database)[one].state == "waiting_for_approval"
    assert len(entries(database)) == 1


def test_a_request_that_is_known_is_not_admitted_again(database: Database) -> None:
    (one,) = admitted(database)
    again = {"id": one, "state": State.REJECTED, "revision": 1, "told_revision": 0, "tell_at": NOW}

    with database.write() as connection:
        assert admit(connection, ledger, "policy", [again], NOW) == set()

    assert rows(database)[one].state == "waiting_for_approval"
    assert len(entries(database)) == 1
