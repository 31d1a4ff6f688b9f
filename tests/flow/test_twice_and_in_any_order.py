"""Every stage gets every message twice, and in every order of two: the result is the same.

Conflicting decisions are the exception: there the first stands (see ``test_main_job``).
"""

from collections.abc import Callable
from itertools import permutations

import pytest

from pipeline.messages import WakeUp
from pipeline.stages import DECIDE, DELIVER, POLICY, RELAY, SIGN, STAGES, TRANSMIT, Stage
from tests.flow.conftest import MakeWorld
from tests.flow.world import World

Prepared = tuple[list[str], list[bytes]]


def hold(world: World, stage: Stage) -> list[bytes]:
    """Run everything but one stage; return the messages that wait for it."""
    held: list[bytes] = []

    def keep(name: str, octets: bytes) -> list[bytes]:
        if name == stage.queue:
            held.append(octets)
            return []
        return [octets]

    world.run(keep)
    return held


def for_relay(world: World) -> Prepared:
    requests = [world.submit("a.test"), world.submit("b.example.com")]
    world.purge()
    for _ in range(2):
        world.web.send(RELAY, WakeUp())
    return requests, world.waiting(RELAY)


def for_policy(world: World) -> Prepared:
    requests, held = [], []
    for name in ("a.test", "b.example.com", "c.invalid"):
        requests.append(world.submit(name))
        held += hold(world, POLICY)
    world.withdraw(requests[1])  # sends the whole request again, with the wish
    held += world.waiting(POLICY)
    return requests, held


def for_decide(world: World) -> Prepared:
    requests = [world.submit(name, run=True) for name in ("a.example.com", "b.example.com")]
    return requests, [
        world.decision(requests[0], "accept", "approver"),
        world.decision(requests[0], "accept", "approver-2"),
        world.decision(requests[1], "reject", "approver", "This host is not ours."),
    ]


def for_sign(world: World) -> Prepared:
    requests = [world.submit(name, run=True) for name in ("a.example.com", "b.example.com")]
    for request in requests:
        world.deliver(DECIDE, world.decision(request, "accept"))
    return requests, world.waiting(SIGN) + _wake_ups(world, SIGN)


def for_transmit(world: World) -> Prepared:
    requests = [world.submit("a.test"), world.submit("b.example.com")]
    return requests, hold(world, TRANSMIT) + _wake_ups(world, TRANSMIT)


def for_deliver(world: World) -> Prepared:
    requests = [world.submit(name) for name in ("a.test", "b.example.com", "c.invalid")]
    held = hold(world, DELIVER)
    world.deliver(DECIDE, world.decision(requests[1], "accept"))
    held += hold(world, DELIVER)
    return requests, held


def _wake_ups(world: World, stage: Stage) -> list[bytes]:
    world.signer.send(stage, WakeUp())
    return world.waiting(stage)


PREPARE: dict[str, Callable[[World], Prepared]] = {
    "web.relay": for_relay,
    "signer.policy": for_policy,
    "signer.decide": for_decide,
    "signer.sign": for_sign,
    "signer.transmit": for_transmit,
    "web.deliver": for_deliver,
}

EXPECTED = {
    "web.relay": ["issued", "waiting_for_approval"],
    "signer.policy": ["issued", "withdrawn", "rejected"],
    "signer.decide": ["issued", "rejected"],
    "signer.sign": ["issued", "issued"],
    "signer.transmit": ["issued", "waiting_for_approval"],
    "web.deliver": ["issued", "issued", "rejected"],
}


def finish(world: World) -> None:
    """Run to the end, the clocks' sweeps included."""
    world.run()
    for _ in range(3):
        world.time.move(minutes=2)
        world.sweep()


def test_the_table_of_this_test_has_every_stage() -> None:
    assert set(PREPARE) == set(STAGES)


@pytest.mark.parametrize("queue", sorted(PREPARE))
def test_each_message_twice_changes_nothing_the_second_time(queue: str, world: World) -> None:
    requests, held = PREPARE[queue](world)
    for octets in held:
        assert world.deliver(STAGES[queue], octets)
    finish(world)
    before = world.snapshot()
    assert [world.states(request) for request in requests] == [
        (state, state) for state in EXPECTED[queue]
    ]

    for octets in held:
        assert world.deliver(STAGES[queue], octets, redelivered=True)
    finish(world)

    assert world.snapshot() == before


@pytest.mark.parametrize("queue", sorted(PREPARE))
def test_every_order_of_two_messages_leads_to_the_same_end(
    queue: str, make_world: MakeWorld
) -> None:
    held = PREPARE[queue](make_world())[1]
    assert len(held) >= 2
    for first, second in permutations(range(len(held)), 2):
        world = make_world()
        requests, messages = PREPARE[queue](world)
        assert len(messages) == len(held)
        for number in (first, second, first, second, *range(len(held))):
            assert world.deliver(STAGES[queue], messages[number])
        finish(world)
        assert [world.states(request) for request in requests] == [
            (state, state) for state in EXPECTED[queue]
        ], (first, second)


def test_every_message_ever_sent_can_come_again_years_later(world: World) -> None:
    requests = [world.submit(name) for name in ("a.test", "b.example.com", "c.invalid")]
    world.run()
    world.decide(requests[1], "accept")
    finish(world)
    before = world.snapshot()
    sent = list(world.exchange.published)

    world.time.move(days=300)
    for queue, octets in sent:
        world.deliver(STAGES[queue], octets, redelivered=True)
    finish(world)

    assert world.snapshot() == before
