"""What is read by several statements is of one moment, whatever is committed between them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from pipeline.approve import waiting
from pipeline.approve.many import decide_on, named
from pipeline.database.engine import Database
from pipeline.signer import browse
from tests.flow.conftest import MakeWorld
from tests.flow.desks import open_as_approver, open_desk
from tests.flow.world import State, World

WHOLE = {
    State.WAITING_FOR_APPROVAL: [],
    State.REJECTED: [("reject", "counted")],
}
"""The decisions that belong to each state when one approver rejects what waits."""


@contextmanager
def in_between(database: Database, table: str, act: Callable[[], object]) -> Iterator[None]:
    """Act once, right after the first statement of ``database`` that names ``table``."""
    done: list[bool] = []

    def after(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if table in statement and not done:
            done.append(True)
            act()

    event.listen(database.engine, "after_cursor_execute", after)
    try:
        yield
    finally:
        event.remove(database.engine, "after_cursor_execute", after)
    assert done, f"no statement names {table}"


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world()


@pytest.fixture
def reading(world: World) -> Iterator[Database]:
    """The signer's database as an approver opens it."""
    database = open_as_approver(world)
    yield database
    database.dispose()


@pytest.mark.parametrize("look", ["get", "next_after", "oldest"])
def test_a_request_and_its_decisions_are_of_one_moment(
    world: World, reading: Database, look: str
) -> None:
    request_id = world.submit("www.example.com", run=True)
    looks: dict[str, Callable[[], waiting.Request | None]] = {
        "get": lambda: waiting.get(reading, request_id),
        "next_after": lambda: waiting.next_after(reading, None),
        "oldest": lambda: waiting.oldest(reading, 1)[0],
    }
    with in_between(
        reading, "approval_requests", lambda: world.decide(request_id, "reject", reason="Not ours.")
    ):
        found = looks[look]()
    assert found is not None
    assert [(d.verdict, d.effect) for d in found.decisions] == WHOLE[found.state]
    assert world.signer_row(request_id).state == State.REJECTED


def test_a_decision_that_comes_in_between_is_told_as_one_and_not_as_a_change(
    world: World, reading: Database
) -> None:
    request_id = world.submit("www.example.com", run=True)
    desk = open_desk(world, reading, "approver-2")
    shown = named(desk, [request_id], "accept", None, quiet=True)
    with in_between(
        reading, "approval_requests", lambda: world.decide(request_id, "reject", reason="Not ours.")
    ):
        code = decide_on(desk, shown, "accept", "", 10, json_=False)
    assert code == 4
    (spooled, _) = desk.spool.list()
    assert spooled == []


def test_what_operators_are_shown_of_a_request_is_of_one_moment(world: World) -> None:
    request_id = world.submit("www.example.com", run=True)
    with in_between(
        world.signer_database,
        "FROM requests",
        lambda: world.decide(request_id, "reject", reason="Not ours."),
    ):
        found = browse.whole(world.signer_database, request_id)
    assert [(d["verdict"], d["effect"]) for d in found["decisions"]] == WHOLE[
        found["request"]["state"]
    ]
    assert found["request"]["revision"] == sum(
        entry["event"] == "state-changed" for entry in found["audit"]
    )
