"""How long new requests wait for one another: few not at all, many until they fill a batch."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from msgspec.structs import replace as changed

from pipeline.actors.web.side import WebSide
from pipeline.run.gathering import FEW, gather
from pipeline.run.web_clock import WebClock
from pipeline.stages import RELAY, Stage
from tests.flow.world import World
from tests.waiting import wait_until

HOUR = 3600.0


class Pauses(threading.Event):
    """Counts the pauses, and lets something happen in each, instead of waiting."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None, most: int = 100) -> None:
        super().__init__()
        self.count = 0
        self._meanwhile = meanwhile
        self._most = most

    def wait(self, timeout: float | None = None) -> bool:
        self.count += 1
        self._meanwhile()
        return self.count >= self._most


def side_with(world: World, *, gather_many: float = HOUR, batch: int = 100) -> WebSide:
    settings = world.web.settings
    clock = changed(settings.clock, gather_many=gather_many)
    worker = changed(settings.worker, batch=batch)
    return replace(world.web, settings=changed(settings, clock=clock, worker=worker))


def submit(world: World, count: int) -> None:
    for _ in range(count):
        world.submit("gathered.test")


def test_a_few_go_on_after_one_pause(world: World) -> None:
    submit(world, FEW)
    pauses = Pauses()
    gather(side_with(world), pauses)
    assert pauses.count == 1


def test_many_wait_until_they_fill_a_batch(world: World) -> None:
    submit(world, FEW)
    pauses = Pauses(meanwhile=lambda: submit(world, 1))
    gather(side_with(world, batch=FEW + 5), pauses)
    assert pauses.count == 5


def test_one_waits_while_many_are_with_the_signer(world: World) -> None:
    submit(world, FEW)
    world.wake(RELAY)
    submit(world, 1)
    pauses = Pauses(meanwhile=lambda: submit(world, 1))
    gather(side_with(world, batch=5), pauses)
    assert pauses.count == 4


def test_one_goes_on_when_answers_come(world: World) -> None:
    submit(world, FEW + 1)
    meanwhile: Iterator[Callable[[], object]] = iter([lambda: submit(world, 1), world.run])
    pauses = Pauses(meanwhile=lambda: next(meanwhile)())
    gather(side_with(world), pauses)
    assert pauses.count == 2


def test_those_that_were_not_answered_for_long_keep_nobody_waiting(world: World) -> None:
    submit(world, FEW + 1)
    world.wake(RELAY)
    world.purge()
    for _ in range(4):
        world.time.move(minutes=2)
        world.wake(RELAY)
        world.purge()
    submit(world, 1)
    pauses = Pauses()
    gather(side_with(world), pauses)
    assert pauses.count == 1


def test_many_wait_no_longer_than_the_settings_say(world: World) -> None:
    submit(world, FEW + 1)
    pauses = Pauses()
    gather(side_with(world, gather_many=1e-9), pauses)
    assert pauses.count == 1


def test_a_process_that_stops_does_not_wait(world: World) -> None:
    submit(world, FEW + 1)
    pauses = Pauses(most=1)
    gather(side_with(world), pauses)
    assert pauses.count == 1


def test_the_clock_wakes_once_for_many_also_where_it_has_to_look_for_them(world: World) -> None:
    submit(world, FEW + 1)
    wakened: list[Stage] = []
    side = replace(side_with(world), send=lambda stage, _body: wakened.append(stage))
    clock = WebClock(side)
    clock.start()
    wait_until(lambda: RELAY in wakened)
    time.sleep(10 * side.settings.clock.poll_sqlite)
    clock.stop()
    assert wakened.count(RELAY) <= 3  # by sweep and heartbeat too, which come once at first
