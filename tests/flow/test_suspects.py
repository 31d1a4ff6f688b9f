"""A submission that kills whoever examines it is rejected in the end, and harms no other for long.

The death of a process is an exception that nobody catches; the next process remembers nothing.
"""

import itertools
from datetime import datetime

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from pipeline.messages import Submission
from pipeline.signer import examine
from pipeline.signer import tables as signer_tables
from pipeline.signer.policy import Policy
from tests.flow.world import POLICY, RELAY, World


class Killed(BaseException):
    """The process is no more."""


def batch(world: World, *names: str) -> tuple[list[str], bytes]:
    """Submit requests; return their ids and the one message that carries them all."""
    ids = [world.submit(name) for name in names]
    for wake_up in world.waiting(RELAY):
        world.deliver(RELAY, wake_up)
    (octets,) = world.waiting(POLICY)
    return ids, octets


def tries(world: World) -> dict[str, int]:
    with world.signer_database.read() as connection:
        rows = connection.execute(select(signer_tables.tries)).all()
    return {row.item: row.attempts for row in rows}


@pytest.fixture
def _deadly(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = examine.examine

    def kills(policy: Policy, submission: Submission, at: datetime) -> examine.Finding:
        if b"deadly.test" in submission.csr:
            raise Killed
        return judge(policy, submission, at)

    monkeypatch.setattr(examine, "examine", kills)


def restart(world: World) -> None:
    world.signer.begun.clear()


@pytest.mark.usefixtures("_deadly")
def test_it_is_rejected_after_its_attempts_and_the_others_are_issued(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first, deadly, last), octets = batch(world, "first.test", "deadly.test", "last.test")
    with pytest.raises(Killed):
        world.deliver(POLICY, octets)
    for attempt in (1, 2, 3):
        restart(world)
        with pytest.raises(Killed):
            world.deliver(POLICY, octets, redelivered=True)
        assert world.states(first)[1] == "waiting_for_signature"
        assert tries(world)[deadly] == attempt
    restart(world)
    world.deliver(POLICY, octets, redelivered=True)
    monkeypatch.undo()
    world.run()

    assert {world.states(request) for request in (first, last)} == {("issued", "issued")}
    assert world.states(deadly) == ("rejected", "rejected")
    assert "ended whenever it tried, 3 times" in world.web_row(deadly).reason
    assert tries(world) == {}


@pytest.mark.usefixtures("_deadly")
def test_asking_again_by_a_new_message_counts_too(world: World) -> None:
    (deadly,), octets = batch(world, "deadly.test")
    for redelivered in (True, False, False):
        restart(world)
        with pytest.raises(Killed):
            world.deliver(POLICY, octets, redelivered=redelivered)
    restart(world)
    world.deliver(POLICY, octets)

    assert world.states(deadly)[1] == "rejected"


def test_what_is_only_delivered_again_is_judged_as_ever(world: World) -> None:
    (one, other), octets = batch(world, "one.test", "other.example.com")

    world.deliver(POLICY, octets, redelivered=True)

    assert world.states(one)[1] == "waiting_for_signature"
    assert world.states(other)[1] == "waiting_for_approval"
    assert tries(world) == {}


def test_a_process_that_waits_for_its_database_counts_one_attempt(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,), octets = batch(world, "one.test")
    write, writes = world.signer_database.write, itertools.count(1)

    def write_away() -> object:
        # Were the attempt recorded each time, it would be, and what was found would never be stored.
        if (number := next(writes)) % 2 == 0 and number <= 20:
            raise OperationalError("", {}, Exception("the database is away"))
        return write()

    monkeypatch.setattr(world.signer_database, "write", write_away)
    monkeypatch.setattr("pipeline.actors.patience.FIRST_PAUSE", 0.0)
    world.deliver(POLICY, octets, redelivered=True)

    assert world.states(one)[1] == "waiting_for_signature"
