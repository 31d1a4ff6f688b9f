"""Within a side commit first, then wake; across the boundary publish first, then mark."""

from typing import Any

import pytest

from pipeline.messages import Body
from pipeline.stages import DECIDE, DELIVER, POLICY, SIGN, TRANSMIT, Stage
from pipeline.states import State
from tests.flow.world import World


class Killed(BaseException):
    """The end of the process: nothing catches it."""


def die_before_sending(world: World, side: Any, stage: Stage) -> None:
    """Let the process end when it is about to send to ``stage`` for the first time."""
    send = side.send

    def dies(to: Stage, body: Body) -> None:
        if to is stage:
            object.__setattr__(side, "send", send)
            raise Killed
        send(to, body)

    object.__setattr__(side, "send", dies)
    with pytest.raises(Killed):
        world.run()
    world.purge()


def no_asking(name: str, octets: bytes) -> list[bytes]:
    return [] if name == POLICY.queue else [octets]


def test_what_was_not_published_when_its_process_died_is_told_without_being_asked_for(
    world: World,
) -> None:
    request = world.submit("host.test")
    die_before_sending(world, world.signer, DELIVER)
    assert world.states(request)[1] == "issued"

    world.time.move(minutes=1)  # the lease is over
    world.signer_clock.sweep()
    world.run(no_asking)

    assert world.states(request) == ("issued", "issued")


def test_what_was_not_relayed_when_its_process_died_is_still_submitted(world: World) -> None:
    request = world.submit("host.test")
    die_before_sending(world, world.web, POLICY)
    assert world.states(request) == ("submitted", None)

    world.time.move(minutes=1)
    world.web_clock.sweep()
    world.run()

    assert world.states(request) == ("issued", "issued")


def test_whoever_is_woken_finds_what_there_is_to_do(world: World) -> None:
    request = world.submit("host.example.com")
    send, found = world.signer.send, []

    def look(stage: Stage, body: Body) -> None:
        row = world.signer_row(request)  # by another connection: only what is committed
        found.append((stage, row.state if row else None))
        send(stage, body)

    object.__setattr__(world.signer, "send", look)
    world.run()
    world.decide(request, "accept")

    assert found == [
        (TRANSMIT, State.WAITING_FOR_APPROVAL),
        (DELIVER, State.WAITING_FOR_APPROVAL),
        (SIGN, State.WAITING_FOR_SIGNATURE),
        (DELIVER, State.ISSUED),
    ]


def test_an_older_outcome_that_comes_late_changes_nothing_even_before_the_end(
    world: World,
) -> None:
    request = world.submit("host.example.com")
    late: list[bytes] = []

    def hold(name: str, octets: bytes) -> list[bytes]:
        if name == DELIVER.queue:
            late.append(octets)
        return [] if name in (DELIVER.queue, SIGN.queue) else [octets]

    world.run(hold)
    world.deliver(DECIDE, world.decision(request, "accept"))
    world.time.move(seconds=5)
    world.wake(TRANSMIT)
    world.run(lambda name, octets: [] if name == SIGN.queue else [octets])
    assert world.web_row(request).state == "waiting_for_signature"

    for octets in late:
        world.deliver(DELIVER, octets)

    assert late
    assert world.web_row(request).state == "waiting_for_signature"
