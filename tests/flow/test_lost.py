"""Messages, or the whole broker, may be lost at any moment: every request still reaches its end."""

import pytest

from pipeline.errors import BrokerUnavailable
from pipeline.messages import Body
from pipeline.stages import DECIDE, SIGN, STAGES, Stage
from tests.flow.world import World


def settle(world: World) -> None:
    """Let time pass, with sweeps, for longer than every lease and interval of re-asking."""
    for _ in range(8):
        world.time.move(minutes=30)
        world.sweep()


@pytest.mark.parametrize("queue", sorted(set(STAGES) - {"signer.decide", "signer.sign"}))
def test_the_first_messages_to_a_stage_are_lost(queue: str, world: World) -> None:
    requests = [world.submit(name) for name in ("a.test", "b.example.com", "c.invalid")]
    lost = []

    def lose(name: str, octets: bytes) -> list[bytes]:
        if name == queue:
            lost.append(octets)
            return []
        return [octets]

    world.run(lose)
    assert lost
    settle(world)

    assert [world.states(request) for request in requests] == [
        ("issued", "issued"),
        ("waiting_for_approval", "waiting_for_approval"),
        ("rejected", "rejected"),
    ]


def test_the_wake_up_after_an_approval_is_lost(world: World) -> None:
    request = world.submit("b.example.com", run=True)
    world.deliver(DECIDE, world.decision(request, "accept"))
    assert world.waiting(SIGN)

    settle(world)

    assert world.states(request) == ("issued", "issued")


def test_a_decision_that_is_lost_can_be_sent_again(world: World) -> None:
    request = world.submit("b.example.com", run=True)
    decision = world.decision(request, "accept")
    settle(world)  # it never came

    world.deliver(DECIDE, decision)
    settle(world)

    assert world.states(request) == ("issued", "issued")


def test_the_signer_s_answer_is_told_again_to_a_web_side_that_lost_it(world: World) -> None:
    request = world.submit("a.test")
    world.run(lambda name, octets: [] if name == "web.deliver" else [octets])
    assert world.states(request) == ("relayed", "issued")

    settle(world)

    assert world.states(request) == ("issued", "issued")


class _Broker:
    """A way to the broker that can be out."""

    def __init__(self, world: World) -> None:
        self.out = False
        self._send = world.web.send

    def __call__(self, stage: Stage, body: Body) -> None:
        if self.out:
            raise BrokerUnavailable("the broker is out")
        self._send(stage, body)


def test_a_wake_up_that_the_broker_does_not_take_is_made_good_by_the_sweep(world: World) -> None:
    broker = _Broker(world)
    object.__setattr__(world.web, "send", broker)
    broker.out = True
    request = world.submit("a.test")
    world.run()
    assert world.states(request) == ("submitted", None)

    broker.out = False
    settle(world)

    assert world.states(request) == ("issued", "issued")
