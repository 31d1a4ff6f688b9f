"""Limits of rules: counted in the signer's database, by all its workers together."""

import threading
import uuid
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import select

from pipeline.messages import Submission, SubmissionBatch
from pipeline.signer import rule_counts
from pipeline.signer.limits import Limit
from pipeline.signer.tables import audit
from pipeline.signer.tables import rule_counts as table
from tests import factories
from tests.flow.conftest import MakeWorld
from tests.flow.world import POLICY, State, World

RULES = """
[profiles.server]
extended_key_usage = ["server_auth"]
[[rules]]
name = "limited"
every_name = ["*.test"]
action = "sign"
limit = ["3/hour", "5/day"]
"""
ASKING = RULES + 'over_limit = "approve"\nquorum = 2\n'


def states(world: World, *ids: str) -> list[str]:
    return [world.signer_row(one).state for one in ids]


def submit(world: World, count: int, name: str = "h") -> list[str]:
    return [world.submit(f"{name}{number}.test", run=True) for number in range(count)]


def counts(world: World) -> dict[str, int]:
    with world.signer_database.read() as connection:
        rows = connection.execute(select(table.c.period, table.c.count).order_by(table.c.begins_at))
        return {row[0]: row[1] for row in rows}


def noon(world: World) -> None:
    """Let the test begin early in an hour and a day, so that none ends in it by itself."""
    world.time.move(days=1)
    world.time.moment = world.time.moment.replace(hour=12, minute=1)


def test_what_is_over_a_limit_is_rejected_and_told_when_it_is_free(make_world: MakeWorld) -> None:
    world = make_world(policy=RULES)
    noon(world)
    ids = submit(world, 4)
    assert states(world, *ids) == [State.ISSUED] * 3 + [State.REJECTED]
    reason = world.web_row(ids[3]).reason
    assert "3 such requests in an hour" in reason
    assert "13:00 UTC" in reason

    world.time.move(hours=1)
    later = submit(world, 3, "later")
    assert states(world, *later) == [State.ISSUED, State.ISSUED, State.REJECTED]
    assert "5 such requests in a day" in world.web_row(later[2]).reason
    assert "00:00 UTC" in world.web_row(later[2]).reason

    world.time.move(days=1)
    assert states(world, *submit(world, 1, "tomorrow")) == [State.ISSUED]


def test_a_limit_that_is_reached_is_audited_with_how_many_met_it(make_world: MakeWorld) -> None:
    world = make_world(policy=RULES)
    noon(world)
    submit(world, 4)
    with world.signer_database.read() as connection:
        (entry,) = connection.scalars(
            select(audit.c.details).where(audit.c.event == "rule-limit-reached")
        )
    assert (entry["rule"], entry["limit"], entry["count"]) == ("limited", "3/hour", 1)


def test_what_is_over_a_limit_may_wait_for_approvers_instead(make_world: MakeWorld) -> None:
    world = make_world(policy=ASKING)
    noon(world)
    ids = submit(world, 4)
    assert states(world, *ids) == [State.ISSUED] * 3 + [State.WAITING_FOR_APPROVAL]
    world.decide(ids[3], "accept", "approver")
    assert states(world, ids[3]) == [State.WAITING_FOR_APPROVAL]
    world.decide(ids[3], "accept", "approver-2")
    assert states(world, ids[3]) == [State.ISSUED]
    assert counts(world) == {"hour": 3, "day": 3}


def test_of_a_batch_the_first_are_let_through_and_a_repetition_counts_once(
    make_world: MakeWorld,
) -> None:
    world = make_world(policy=RULES)
    noon(world)
    octets = batch(world, "b", 7)
    for again in range(3):
        world.web.send(POLICY, octets)
        (message,) = world.waiting(POLICY)
        world.deliver(POLICY, message, redelivered=again == 2)
    found = states(world, *(one.id for one in octets.submissions))
    assert found == [State.ISSUED] * 3 + [State.REJECTED] * 4
    assert counts(world) == {"hour": 3, "day": 3}


def test_a_rule_without_a_limit_costs_no_count(make_world: MakeWorld) -> None:
    world = make_world()
    submit(world, 1)
    assert counts(world) == {}


def test_counts_are_forgotten_when_their_time_is_long_over(make_world: MakeWorld) -> None:
    world = make_world(policy=RULES)
    submit(world, 1)
    assert counts(world) == {"hour": 1, "day": 1}
    world.time.move(days=9)
    world.signer_clock.tidy()
    assert counts(world) == {}


def test_workers_at_once_let_exactly_as_many_through_as_the_limit_says(
    make_world: MakeWorld,
) -> None:
    """On the real databases: threads that store batches of one rule at the same time."""
    world = make_world(policy=RULES.replace("3/hour", "50/hour").replace("5/day", "60/day"))
    noon(world)
    batches = [batch(world, f"t{number}-", 10) for number in range(8)]
    gate = world.brokers[POLICY.queue].gate
    messages = []
    for one in batches:
        world.web.send(POLICY, one)
        messages += world.waiting(POLICY)
    actor = world.brokers[POLICY.queue].actors["policy"]
    together = threading.Barrier(len(messages))
    errors: list[BaseException] = []

    def work(octets: bytes) -> None:
        admitted = gate.admit(octets, POLICY.queue, redelivered=False)
        together.wait()
        try:
            actor.fn(*admitted.args)
        except BaseException as error:  # noqa: BLE001 - the test's own thread tells it
            errors.append(error)

    threads = [threading.Thread(target=work, args=(octets,)) for octets in messages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert errors == []
    ids = [one.id for made in batches for one in made.submissions]
    assert Counter(states(world, *ids)) == {State.ISSUED: 50, State.REJECTED: 30}
    assert counts(world) == {"hour": 50, "day": 50}


@pytest.mark.parametrize("same", [True, False])
def test_counting_and_giving_back_leaves_nothing(make_world: MakeWorld, same: bool) -> None:
    world = make_world()
    now = world.time()
    limits = (Limit(5, "hour"), Limit(7, "day"))
    wanted: dict[str, Any] = {"a": (limits, 4), "b": (limits[:1], 9)}
    with world.signer_database.write() as connection:
        rooms = rule_counts.take(connection, wanted, now)
        assert (rooms["a"].allowed, rooms["b"].allowed) == (4, 5)
        assert rooms["b"].full is not None
        if same:
            again = rule_counts.take(connection, {"a": (limits, 4)}, now)
            assert again["a"].allowed == 1
            rule_counts.give_back(connection, {"a": (limits, 1)}, now)
        rule_counts.give_back(connection, {"a": (limits, 4), "b": (limits[:1], 5)}, now)
    with world.signer_database.read() as connection:
        assert set(connection.scalars(select(table.c.count))) == {0}


def batch(world: World, name: str, count: int) -> SubmissionBatch:
    """Return submissions that never touched the web side's database."""
    return SubmissionBatch(
        [
            Submission(
                id=world_id(name, number),
                csr=factories.csr([f"DNS:{name}{number}.test"]),
                profile="server",
                source="api",
                submitted_at=world.time(),
            )
            for number in range(count)
        ]
    )


def world_id(name: str, number: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}{number}.test"))
