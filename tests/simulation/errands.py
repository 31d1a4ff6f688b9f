"""A worker's errand: a message is brought to it, and what ends the errand is looked at."""

from __future__ import annotations

import traceback
from datetime import timedelta
from typing import TYPE_CHECKING

from pipeline.actors.patience import is_infrastructure
from pipeline.errors import MessageRefused
from pipeline.stages import STAGES
from tests.simulation import watch
from tests.simulation.broker import Letter, requests_in
from tests.simulation.chaos import Killed
from tests.simulation.faults import Fault

if TYPE_CHECKING:
    from tests.simulation.runner import Runner
    from tests.simulation.world import World

FUTURE = "from-the-future"


def deliver(world: World, runner: Runner, queue: str, letter: Letter) -> None:
    """Let a worker work on a message that it read from a queue."""

    def work() -> None:
        broker, came = world.brokers[runner.name], letter.came
        letter.came += 1
        try:
            message = broker.gate.admit(letter.octets, queue, redelivered=letter.redelivered)
        except MessageRefused as refused:
            _refused(world, runner, queue, letter, refused.reason)
            return
        if queue != letter.queue:
            world.wrong(f"#{letter.number} for {letter.queue} was admitted on {queue}")
        if came:
            world.took_effect(_again(letter), runner)
        broker.actors[message.actor_name].fn(*message.args)

    about = ",".join(world.labels.get(one, f"?{one[-4:]}") for one in requests_in(letter))
    stage = STAGES[queue].name
    runner.start(f"{stage} #{letter.number}{' ' + about if about else ''}", work, letter)


def _refused(world: World, runner: Runner, queue: str, letter: Letter, reason: str) -> None:
    world.tell(runner, f"is refused: {reason}")
    if queue != letter.queue:
        world.took_effect(Fault.MISROUTED, runner)
    elif reason == FUTURE:
        world.took_effect(Fault.FROM_THE_FUTURE, runner)
    else:
        world.wrong(f"#{letter.number} was refused on {queue}: {reason}")


def ended(world: World, runner: Runner) -> None:
    """Look at what ended an errand."""
    _look_at_end(world, runner)
    world.note_troubles(runner)
    runner.errand = ""


def _look_at_end(world: World, runner: Runner) -> None:
    error = runner.fiber.error
    if runner.errand.startswith("sign ") and runner.works:
        watch.after_signing(world, runner)
    if error is None:
        if runner.commits and runner.offset:
            ahead = runner.offset > timedelta(0)
            world.took_effect(Fault.CLOCK_AHEAD if ahead else Fault.CLOCK_BEHIND, runner)
        return
    if isinstance(error, Killed):
        world.tell(runner, "is dead")
        runner.forget()
        letter = runner.letter
        if letter is not None and world.chaos.likely(Fault.REDELIVERED):
            letter.redelivered = True
            world.exchange.lying[letter.queue].insert(0, letter)
    elif not runner.works and is_infrastructure(error):
        world.tell(runner, f"gives up: {type(error).__name__}")
    else:
        trace = "".join(traceback.format_exception(error))
        world.wrong(f"{runner.name} ({runner.errand}) ended by an unexpected error\n{trace}")


def _again(letter: Letter) -> Fault:
    if letter.replayed:
        return Fault.REPLAYED
    return Fault.REDELIVERED if letter.redelivered else Fault.DUPLICATED
