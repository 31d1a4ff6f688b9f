"""What came in bulk lets all else go first, and still reaches its end."""

from collections.abc import Iterable

from pipeline.clock import Clock
from pipeline.messages import SubmissionBatch
from pipeline.stages import POLICY, RELAY
from pipeline.web.intake import Intake
from pipeline.web.submit import FEW, Submitted, Wish, submit_all
from tests import factories
from tests.flow.world import World


def submit_many(world: World, count: int) -> list[str]:
    """Submit by one call; return the ids in their order."""
    csr = factories.csr(names=["DNS:bulk.test"])
    wishes = [Wish(csr, "server", "api") for _ in range(count)]
    clock: Clock = world.time
    done = submit_all(Intake(world.web_database), world.web.settings, wishes, clock)
    return [one.id for one in done if isinstance(one, Submitted)]


def told(world: World, messages: Iterable[bytes]) -> list[str]:
    """Return the ids of the submissions in messages to `policy`, in their order."""
    gate = world.brokers[POLICY.queue].gate
    bodies = [gate.envelope.open(octets, POLICY.queue).body for octets in messages]
    return [
        one.id for body in bodies if isinstance(body, SubmissionBatch) for one in body.submissions
    ]


def relay_until_it_rests(world: World) -> None:
    world.web_clock.sweep()
    while messages := world.waiting(RELAY):
        for octets in messages:
            world.deliver(RELAY, octets)


def test_only_so_much_of_what_came_in_bulk_is_told_before_answers_come(world: World) -> None:
    limit = world.web.settings.ask.in_bulk
    many = submit_many(world, limit + 50)
    relay_until_it_rests(world)
    relay_until_it_rests(world)
    assert told(world, world.waiting(POLICY)) == many[:limit]


def test_one_that_comes_alone_is_told_while_what_came_in_bulk_has_to_wait(world: World) -> None:
    submit_many(world, world.web.settings.ask.in_bulk + 50)
    relay_until_it_rests(world)
    world.waiting(POLICY)
    alone = world.submit("alone.test")
    relay_until_it_rests(world)
    assert told(world, world.waiting(POLICY)) == [alone]


def test_a_few_that_come_together_are_not_held_back(world: World) -> None:
    submit_many(world, world.web.settings.ask.in_bulk + 50)
    relay_until_it_rests(world)
    world.waiting(POLICY)
    few = submit_many(world, FEW)
    relay_until_it_rests(world)
    assert sorted(told(world, world.waiting(POLICY))) == sorted(few)


def test_answers_make_room_for_the_rest(world: World) -> None:
    many = submit_many(world, world.web.settings.ask.in_bulk + 50)
    relay_until_it_rests(world)
    world.run()
    assert {world.states(one) for one in many} == {("issued", "issued")}


def test_what_is_lost_on_the_way_does_not_block_the_rest(world: World) -> None:
    many = submit_many(world, world.web.settings.ask.in_bulk + 50)
    relay_until_it_rests(world)
    world.purge()
    for _ in range(4):
        world.time.move(minutes=1)
        world.sweep()
    assert {world.states(one) for one in many} == {("issued", "issued")}
