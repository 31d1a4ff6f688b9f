"""Peace: servers are well, clocks are right, everybody goes on, and time passes with its sweeps."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from pipeline.stages import STAGES
from pipeline.states import FINAL, State
from tests.simulation import errands
from tests.simulation.people import People
from tests.simulation.runner import Runner
from tests.simulation.world import World

STANDS = FINAL | {State.WAITING_FOR_APPROVAL, State.FAILED}
"""States in which a request has ended or waits for a person."""

SPAN = timedelta(minutes=35)
ROUNDS = 60
"""More than the longest jump of a clock, lease and interval of re-asking together."""
MESSAGES = 500
"""More than one round of sweeps can lead to."""


def settle(world: World, people: People) -> None:
    """Let everything come to rest; note what does not."""
    world.chaos.active = False
    world.heal()
    world.mended = True
    for runner in world.runners:
        runner.offset = timedelta(0)
    world.tell(None, "--- the faults end ---")
    while frozen := [runner for runner in world.runners if runner.busy]:
        world.rng.choice(frozen).resume()
    people.operate("resume")
    for letter in world.exchange.all_lying():
        letter.held_until = None
    for _ in range(ROUNDS):
        if not _drain(world):
            world.wrong("messages beget messages without end")
            return
        if rests(world):
            break
        world.move(SPAN)
        _sweep(world, people)
    else:
        world.wrong("something is stuck:\n" + "\n".join(_differences(world)))
    for _ in range(2):  # and stays at rest
        world.move(SPAN)
        _sweep(world, people)
        _drain(world)


def rests(world: World) -> bool:
    """Say whether every request stands, in the same way on both sides."""
    return not any(world.spools.values()) and not _differences(world)


def _sweep(world: World, people: People) -> None:
    web, signer = world.web_clock, world.signer_clock
    rounds: tuple[tuple[Runner, str, Callable[[], None]], ...] = (
        (world.web_timer, "sweep", web.sweep),
        (world.web_timer, "tidy", web.tidy),
        (world.web_timer, "repair", web.repair),
        (world.signer_timer, "expire", signer.expire),
        (world.signer_timer, "repair", signer.repair),
        (world.signer_timer, "sweep", signer.sweep),
    )
    for runner, name, work in rounds:
        runner.start(name, work)
    for approver in world.approvers:
        people.repeat(approver)


def _drain(world: World) -> bool:
    for _ in range(MESSAGES):
        names = [name for name in STAGES if world.exchange.lying[name]]
        if not names:
            return True
        queue = world.rng.choice(names)
        letter = world.exchange.lying[queue].pop(0)
        workers = world.workers_of(STAGES[queue].side)
        errands.deliver(world, world.rng.choice(workers), queue, letter)
        if world.problems:
            return True
    return False


def _differences(world: World) -> list[str]:
    statement = "SELECT id, state, revision, reason, {} FROM requests"
    web = {row[0]: row for row in world.template.web.ask(statement.format("withdrawal_wished"))}
    signer = {row[0]: row for row in world.template.signer.ask(statement.format("told_revision"))}
    found = []
    for key in sorted(web.keys() | signer.keys()):
        mine, theirs = web.get(key), signer.get(key)
        if mine is None or theirs is None or not _agree(mine, theirs):
            found.append(f"web: {mine}; signer: {theirs}")
    return found


def _agree(mine: Any, theirs: Any) -> bool:
    if mine[:4] != theirs[:4] or theirs[4] != theirs[2]:
        return False
    ignored_wish = mine[1] == State.WAITING_FOR_APPROVAL and mine[4]
    return mine[1] in STANDS and not ignored_wish
