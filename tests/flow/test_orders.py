"""Four approvers of whom two have to accept: what each is told, in every order, and the exit codes."""

import json
from collections.abc import Iterator
from itertools import permutations
from typing import Literal

import pytest

from pipeline import quorum
from pipeline.approve.desk import Desk
from pipeline.approve.many import decide_on, named
from pipeline.approve.outcome import Result
from pipeline.approve.spool import Spooled
from pipeline.database.engine import Database
from tests.flow.conftest import MakeWorld
from tests.flow.desks import open_as_approver, open_desk
from tests.flow.world import DECIDE, State, World

Word = Literal["accept", "reject"]

FOUR: dict[str, Word] = {
    "approver-a": "accept",
    "approver-b": "accept",
    "approver-c": "accept",
    "approver-d": "reject",
}
TWO = {"name": "two of us", "action": "approve", "quorum": 2}
POLICY = """
[profiles.server]
extended_key_usage = ["server_auth"]
[[rules]]
name = "two of us"
action = "approve"
quorum = 2
"""
NOT_OURS = "This name is not ours."


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world(approvers=tuple(FOUR), policy=POLICY)


@pytest.fixture
def reading(world: World) -> Iterator[Database]:
    database = open_as_approver(world)
    yield database
    database.dispose()


@pytest.fixture
def desks(world: World, reading: Database) -> dict[str, Desk]:
    return {name: open_desk(world, reading, name) for name in FOUR}


@pytest.fixture(autouse=True)
def looking_costs_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.approve.confirm.LOOK_EVERY", 0.0)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """Return what was written, without the log of the signer beside."""
    lines = capsys.readouterr().out.splitlines(keepends=True)
    return "".join(line for line in lines if " [info " not in line)


def reason(name: str) -> str:
    return NOT_OURS if FOUR[name] == "reject" else ""


def said_until(order: tuple[str, ...], name: str) -> Word | None:
    """Return what the decisions of those before ``name``, in this order, lead to."""
    before = order[: order.index(name)]
    for count in range(1, len(before) + 1):
        verdict = quorum.verdict(TWO, [(one, FOUR[one]) for one in before[:count]])
        if verdict is not None:
            return verdict
    return None


@pytest.mark.parametrize("make_world", ["sqlite"], indirect=True)  # the words are the same
def test_all_who_looked_before_anybody_decided_get_their_defined_exit_code(
    world: World, desks: dict[str, Desk], capsys: pytest.CaptureFixture[str]
) -> None:
    """Who comes after the verdict is told of it and sends nothing; who comes after an acceptance
    that is not enough is told of it and sends theirs."""
    for number, order in enumerate(permutations(FOUR)):
        request_id = world.submit(f"h{number}.example.test", run=True)
        looks = {name: named(desks[name], [request_id], FOUR[name], None, True) for name in order}
        capsys.readouterr()
        for place, name in enumerate(order):
            decided = said_until(order, name)
            code = decide_on(desks[name], looks[name], FOUR[name], reason(name), 30, json_=True)
            (answer,) = json.loads(said(capsys))["results"]
            assert code == (0 if decided in (None, FOUR[name]) else 4), (order, name)
            assert len(answer["decisions"]) <= place + 1
            assert answer["message"] is None or decided is None
            if decided is not None:
                decisive = "approver-d" if decided == "reject" else order[:place][-1]
                assert answer["sentence"].startswith(f"It was {decided}ed by approver-")
                assert decided == "accept" or decisive in answer["sentence"]


def test_what_a_colleague_said_meanwhile_is_shown_before_a_verb_sends(
    world: World, desks: dict[str, Desk], capsys: pytest.CaptureFixture[str]
) -> None:
    request_id = world.submit("www.example.test", run=True)
    shown = named(desks["approver-b"], [request_id], "accept", None, quiet=True)
    world.decide(request_id, "accept", "approver-a")
    assert decide_on(desks["approver-b"], shown, "accept", "", 30, json_=False) == 0
    told = " ".join(said(capsys).split())
    assert told.startswith(f"{request_id}: Meanwhile: 1 of 2 have accepted: approver-a.")
    assert told.endswith("Accepted: your decision is recorded and stands.")


def test_who_was_asked_is_asked_again_when_a_colleague_said_something_meanwhile(
    world: World, desks: dict[str, Desk]
) -> None:
    request_id = world.submit("www.example.test", run=True)
    shown = named(desks["approver-b"], [request_id], "accept", None, quiet=True)
    world.decide(request_id, "accept", "approver-a")
    assert decide_on(desks["approver-b"], shown, "accept", "", 30, json_=True, asked=True) == 1
    assert world.states(request_id)[1] == State.WAITING_FOR_APPROVAL


@pytest.mark.parametrize("make_world", ["sqlite"], indirect=True)  # the words are the same
def test_decisions_that_are_under_way_at_once_are_answered_by_what_they_led_to(
    world: World, desks: dict[str, Desk]
) -> None:
    """All four are signed before the first arrives; each asks what became of theirs at the end."""
    for number, order in enumerate(permutations(FOUR)):
        request_id = world.submit(f"h{number}.example.test", run=True)
        made: dict[str, Spooled] = {}
        for name in order:
            (shown,) = named(desks[name], [request_id], FOUR[name], None, True)
            spooled = desks[name].decide(shown, FOUR[name], reason(name))
            assert isinstance(spooled, Spooled)
            made[name] = spooled
        for name in order:
            world.deliver(DECIDE, made[name].octets)
        world.run()
        final = said_until((*order, "the end"), "the end")
        assert world.states(request_id)[1] == (
            State.ISSUED if final == "accept" else State.REJECTED
        )
        for name in order:
            (answer,) = desks[name].confirm([made[name]], 30)
            assert answer.exit_code == (0 if FOUR[name] == final else 4), (order, name, answer)
            if FOUR[name] != final:
                assert answer.result is Result.DECIDED_OTHERWISE
                assert final != "reject" or NOT_OURS in answer.sentence
