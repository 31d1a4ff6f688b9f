"""One simulation: so many steps of work, people and faults, then peace, then the reckoning."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from pipeline.approve.decision import Verdict
from pipeline.stages import STAGES, Role
from pipeline.states import State
from tests.simulation import errands
from tests.simulation.faults import STEPS, Fault
from tests.simulation.people import People
from tests.simulation.runner import Runner
from tests.simulation.settle import settle
from tests.simulation.trouble import SPANS, Trouble
from tests.simulation.verify import verify
from tests.simulation.world import World


@dataclass(frozen=True)
class Result:
    """What came of one simulation."""

    tally: Counter[Fault]
    problems: list[str]
    story: list[str]
    requests: int
    states: Counter[str]


def simulate(rng: random.Random, steps: int = STEPS) -> Result:
    """Run one simulation; everything in it is drawn from ``rng``."""
    world = World(rng)
    try:
        simulation = Simulation(world)
        for _ in range(steps):
            simulation.step()
            if world.problems:
                break
        else:
            settle(world, simulation.people)
        states = Counter[str]() if world.problems else verify(world)
    finally:
        world.close()
    return Result(world.chaos.tally, world.problems, world.story, len(world.wanted), states)


class Simulation:
    """What can happen next, and how likely."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rng = world.rng
        self.people = People(world)
        self.trouble = Trouble(world)
        self.actions: list[tuple[int, Callable[[], bool]]] = [
            (7, self.submit),
            (42, self.deliver),
            (12, self.resume),
            (14, self.clocks),
            (10, self.time),
            (8, self.decide),
            (6, self.operator),
            (4, self.withdraw),
            (8, self.trouble.overtake),
            (9, self.trouble.mischief),
            (2, self.trouble.jump),
            (2, self.trouble.policy),
        ]

    def step(self) -> None:
        """Let one thing happen."""
        weights = [weight for weight, _ in self.actions]
        ((_, action),) = self.rng.choices(self.actions, weights)
        if not action():
            self.deliver() or self.resume() or self.time()

    # --- work -------------------------------------------------------------------------------

    def submit(self) -> bool:
        """A requester submits something new, or something again."""
        if self.world.web.busy:
            return False
        if self.world.wanted and self.world.chaos.likely(Fault.SUBMITTED_AGAIN, 0.15):
            self.people.submit(self.rng.choice(self.world.wanted))
            return True
        for _ in range(self.rng.choice((1, 1, 2, 4))):
            if not self.world.web.busy:
                self.people.new()
        return True

    def deliver(self) -> bool:
        """Workers get the next few messages."""
        count = self.rng.randint(1, 4)
        first, *_ = [self._deliver_one() for _ in range(count)]
        return first

    def _deliver_one(self) -> bool:
        world = self.world
        idle = {
            side: [runner for runner in world.workers_of(side) if not runner.busy]
            for side in (Role.WEB, Role.SIGNER)
        }
        due = {name: world.exchange.due(name) for name in STAGES if idle[STAGES[name].side]}
        names = [name for name, letters in due.items() if letters]
        if not names:
            return False
        queue = self.rng.choice(names)
        runner = self.rng.choice(idle[STAGES[queue].side])
        letters = due[queue]
        chosen = 0
        if len(letters) > 1 and world.chaos.likely(Fault.REORDERED, 0.3):
            chosen = self.rng.randrange(1, len(letters))
            world.took_effect(Fault.REORDERED, None, quietly=True)
        letter = letters[chosen]
        if letter.held_until is not None and any(
            other.number > letter.number and other.came for other in world.exchange.history
        ):
            world.took_effect(Fault.DELAYED, None, quietly=True)
        letter.held_until = None
        if not world.chaos.likely(Fault.DUPLICATED, 0.15):
            world.exchange.lying[queue].remove(letter)
        errands.deliver(world, runner, queue, letter)
        return True

    def resume(self) -> bool:
        """A frozen process goes on, or dies where it froze."""
        frozen = [runner for runner in self.world.runners if runner.busy]
        if not frozen:
            return False
        runner = self.rng.choice(frozen)
        doomed = self.world.chaos.likely(Fault.KILLED_FROZEN, 0.2)
        self.world.tell(runner, "goes on")
        runner.resume(doomed=doomed)
        return True

    def clocks(self) -> bool:
        """One of the clocks does one of its rounds."""
        web, signer = self.world.web_clock, self.world.signer_clock
        rounds: tuple[tuple[Runner, str, Callable[[], None]], ...] = (
            (self.world.web_timer, "sweep", web.sweep),
            (self.world.web_timer, "sweep", web.sweep),
            (self.world.web_timer, "heartbeat", web.heartbeat),
            (self.world.web_timer, "tidy", web.tidy),
            (self.world.web_timer, "repair", web.repair),
            (self.world.signer_timer, "sweep", signer.sweep),
            (self.world.signer_timer, "sweep", signer.sweep),
            (self.world.signer_timer, "expire", signer.expire),
            (self.world.signer_timer, "repair", signer.repair),
            (self.world.signer_timer, "announce", signer.announce),
            (self.world.signer_timer, "heartbeat", signer.heartbeat),
        )
        runner, name, work = self.rng.choice(rounds)
        if runner.busy:
            return False
        runner.start(name, work)
        return True

    def time(self) -> bool:
        """Time passes."""
        self.world.move(timedelta(seconds=self.rng.choice(SPANS)))
        return True

    # --- people -----------------------------------------------------------------------------

    def decide(self) -> bool:
        """An approver decides or repeats a decision, or two decide at once."""
        idle = [runner for runner in self.world.approvers if not runner.busy]
        if not idle:
            return False
        approver = self.rng.choice(idle)
        if self.world.spools[approver.name] and self.rng.random() < 0.3:
            self.people.repeat(approver)
            return True
        found = self._known(State.WAITING_FOR_APPROVAL)
        late = self.world.chaos.likely(Fault.LATE_DECISION, 0.1)
        known = self._known() if late or not found else found
        if not known:
            return False
        request = self.rng.choice(known)
        first: Verdict = self.rng.choice(("accept", "accept", "accept", "reject"))
        verdicts: tuple[Verdict, Verdict] = (first, "reject")
        for runner, verdict in zip(self.rng.sample(idle, len(idle)), verdicts, strict=False):
            wrong = self.world.chaos.likely(Fault.WRONG_DIGEST, 0.1)
            self.people.decide(runner, request, verdict, wrong=wrong)
            if not self.world.chaos.likely(Fault.DIFFERENT_DECISIONS, 0.3):
                break
        return True

    def operator(self) -> bool:
        """The operator does something."""
        if self.world.operator.busy:
            return False
        usual = ("suspend", "resume", "resume", "retry", "retry", "reject")
        # What failed waits for an operator, and nothing else does: that is looked after first.
        verb = self.rng.choice(("retry", "reject") if self._known(State.FAILED) else usual)
        if verb in ("suspend", "resume"):
            self.people.operate(verb)
            return True
        states = [State.FAILED]
        if verb == "reject":
            states.append(State.WAITING_FOR_SIGNATURE)
        known = self._known(*states)
        if not known:
            return False
        if verb == "retry":
            self.world.mended = self.rng.random() < 0.3
        self.people.operate(verb, self.rng.choice(known))
        return True

    def withdraw(self) -> bool:
        """A requester wishes to withdraw."""
        wanted = [one for one in self.world.wanted if one.id is not None]
        if self.world.web.busy or not wanted:
            return False
        self.people.withdraw(self.rng.choice(wanted))
        return True

    def _known(self, *states: State) -> list[str]:
        rows = self.world.template.signer.ask("SELECT id, state FROM requests ORDER BY id")
        labels = self.world.labels
        return [key for key, state in rows if key in labels and state in (states or [state])]
