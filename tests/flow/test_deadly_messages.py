"""A decision or an outcome that kills whoever works on it ends among the dead letters, and harms no
other for long.

The death of a process is an exception that nobody catches; the next process remembers nothing.
"""

from importlib import import_module
from typing import Any

import pytest
from sqlalchemy import Table, select

from pipeline.actors.guard import DEADLY
from pipeline.database.tries import FORGIVEN_AFTER
from pipeline.signer import tables as signer_tables
from pipeline.stages import Stage
from pipeline.web import tables as web_tables
from tests.flow.world import DECIDE, DELIVER, World

decide = import_module("pipeline.actors.signer.decide")
deliver = import_module("pipeline.actors.web.deliver")
"""The modules: their packages have functions of these names."""

ATTEMPTS = 3


class Killed(BaseException):
    """The process is no more."""


@pytest.fixture
def _deadly(monkeypatch: pytest.MonkeyPatch) -> None:
    effect, check_key = decide._effect, deliver._check_key

    def judging(side: Any, connection: Any, row: Any, *arguments: Any) -> Any:
        if b"deadly" in row.csr:
            raise Killed
        return effect(side, connection, row, *arguments)

    def checking(certificate: bytes, csr: bytes) -> None:
        if b"deadly" in csr:
            raise Killed
        check_key(certificate, csr)

    monkeypatch.setattr(decide, "_effect", judging)
    monkeypatch.setattr(deliver, "_check_key", checking)


def restart(world: World) -> None:
    world.signer.begun.clear()
    world.web.begun.clear()


def kill_often(world: World, stage: Stage, octets: bytes, times: int = ATTEMPTS + 1) -> None:
    """Let a message kill workers until it has no attempt left."""
    for attempt in range(times):
        restart(world)
        with pytest.raises(Killed):
            world.deliver(stage, octets, redelivered=attempt > 0)
    restart(world)


def tries(world: World, table: Table) -> dict[str, int]:
    database = world.signer_database if table is signer_tables.tries else world.web_database
    with database.read() as connection:
        return {row.item: row.attempts for row in connection.execute(select(table))}


def outcomes(world: World, *names: str) -> tuple[list[str], bytes]:
    """Submit requests; return their ids and the one message that tells how all have ended."""
    ids = [world.submit(name) for name in names]

    def kept(queue: str, octets: bytes) -> list[bytes]:
        if queue == DELIVER.queue:
            told.append(octets)
            return []
        return [octets]

    told: list[bytes] = []
    world.run(kept)
    (octets,) = told
    return ids, octets


@pytest.mark.usefixtures("_deadly")
def test_a_decision_is_dead_lettered_after_its_attempts_and_at_once_when_it_comes_again(
    world: World,
) -> None:
    request = world.submit("deadly.example.com", run=True)
    octets = world.decision(request, "accept")
    kill_often(world, DECIDE, octets)

    for redelivered in (True, False):
        world.deliver(DECIDE, octets, redelivered=redelivered)

    assert list(world.exchange.dead_letters) == [(DECIDE.queue, DEADLY, octets)] * 2
    assert world.states(request)[1] == "waiting_for_approval"


@pytest.mark.usefixtures("_deadly")
def test_a_decision_that_was_given_up_is_judged_again_after_a_day(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = world.submit("deadly.example.com", run=True)
    octets = world.decision(request, "accept")
    kill_often(world, DECIDE, octets)
    monkeypatch.undo()
    world.time.move(seconds=FORGIVEN_AFTER.total_seconds() + 1)

    world.deliver(DECIDE, octets, redelivered=True)

    assert world.states(request)[1] == "waiting_for_signature"
    assert tries(world, signer_tables.tries) == {}


@pytest.mark.usefixtures("_deadly")
def test_a_decision_that_comes_again_and_again_is_judged_again_after_a_day_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `httpca approve` repeats it, and by a process that was there when it was given up."""
    request = world.submit("deadly.example.com", run=True)
    octets = world.decision(request, "accept")
    kill_often(world, DECIDE, octets)
    monkeypatch.undo()
    for _ in range(24):
        world.deliver(DECIDE, octets)
        assert world.states(request)[1] == "waiting_for_approval"
        world.time.move(hours=1)
    world.time.move(hours=1)
    world.deliver(DECIDE, octets)
    assert world.states(request)[1] == "waiting_for_signature"


@pytest.mark.usefixtures("_deadly")
def test_an_outcome_is_given_up_after_its_attempts_and_the_others_of_its_message_arrive(
    world: World,
) -> None:
    (first, deadly, last), octets = outcomes(world, "first.test", "deadly.test", "last.test")
    kill_often(world, DELIVER, octets, ATTEMPTS + 2)

    world.deliver(DELIVER, octets, redelivered=True)

    assert {world.states(request) for request in (first, last)} == {("issued", "issued")}
    assert world.states(deadly) == ("relayed", "issued")
    assert list(world.exchange.dead_letters) == [(DELIVER.queue, DEADLY, octets)]
    assert tries(world, web_tables.tries) == {deadly: ATTEMPTS + 1}


@pytest.mark.usefixtures("_deadly")
def test_an_issuing_ca_that_cannot_be_stored_is_given_up_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (request,), octets = outcomes(world, "one.test")
    learn = deliver._learn

    def learning(side: Any, notices: Any) -> None:
        if notices:
            raise Killed
        learn(side, notices)

    monkeypatch.setattr(deliver, "_learn", learning)
    kill_often(world, DELIVER, octets, ATTEMPTS + 2)
    world.deliver(DELIVER, octets, redelivered=True)

    assert list(world.exchange.dead_letters) == [(DELIVER.queue, DEADLY, octets)]
    assert world.states(request)[0] == "relayed"


def test_outcomes_that_are_only_delivered_again_are_applied_together(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, octets = outcomes(world, "one.test", "other.test", "third.test")
    applied: list[int] = []
    apply = deliver._apply

    def counting(side: Any, together: Any) -> None:
        applied.append(len(together))
        apply(side, together)

    monkeypatch.setattr(deliver, "_apply", counting)
    world.deliver(DELIVER, octets, redelivered=True)

    assert applied == [3]


def test_what_is_only_delivered_again_counts_as_ever(world: World) -> None:
    request = world.submit("one.example.com", run=True)
    decision = world.decision(request, "accept")
    (issued,), told = outcomes(world, "one.test")

    world.deliver(DECIDE, decision, redelivered=True)
    world.deliver(DELIVER, told, redelivered=True)

    assert world.states(request)[1] == "waiting_for_signature"
    assert world.states(issued) == ("issued", "issued")
    assert tries(world, signer_tables.tries) == tries(world, web_tables.tries) == {}
