"""One simulated process: its clock, its way to database, broker and key, and its errand under way.

At every seam a fault may strike. While it is frozen, others run; it holds no transaction then.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pipeline.broker.consumer import Gate
from pipeline.broker.memory import MemoryBroker
from pipeline.broker.refusals import Refusals
from pipeline.broker.send import sender
from pipeline.crypto.envelope import Envelope
from pipeline.crypto.trust import Trust
from pipeline.database.engine import Database
from pipeline.errors import BrokerUnavailable
from pipeline.messages import Body
from pipeline.stages import Role, Stage
from tests.simulation import errands
from tests.simulation.broker import Letter
from tests.simulation.chaos import DEATHS, FREEZE, Killed, Place
from tests.simulation.faults import Fault
from tests.simulation.fiber import Fiber
from tests.simulation.seams import SeamedDatabase

if TYPE_CHECKING:
    from tests.simulation.world import World


class Runner:
    """A process. ``works`` says that it runs actors, which let no error of infrastructure out."""

    def __init__(self, world: World, name: str, side: Role, *, works: bool = False) -> None:
        self.world = world
        self.name = name
        self.side = side
        self.works = works
        self.offset = timedelta(0)
        self.policy_number = 0
        self.fiber = Fiber(name)
        self.errand = ""
        self.letter: Letter | None = None
        self.calm = False
        self.waits = self.commits = self.signed = self.drawn = self.troubles = 0
        self.transactions = 0
        self._doomed = False
        self.forget: Callable[[], None] = lambda: None
        """Lose what only this process's memory holds."""
        self.database: Database = SeamedDatabase(self, world.database_of(side))

    @property
    def busy(self) -> bool:
        """Whether an errand is under way, frozen."""
        return self.fiber.busy

    def now(self) -> datetime:
        """Return what this process believes to be the time."""
        return self.world.tick() + self.offset

    def start(self, errand: str, work: Callable[[], None], letter: Letter | None = None) -> None:
        """Begin an errand; it ends, or freezes on the way."""
        self.errand, self.letter, self.calm = errand, letter, False
        self.waits = self.commits = self.signed = self.drawn = 0
        self._run(lambda: self.fiber.start(work))

    def resume(self, *, doomed: bool = False) -> None:
        """Let a frozen errand go on, or die where it froze."""
        self._doomed = doomed
        self._run(self.fiber.resume)

    def _run(self, step: Callable[[], bool]) -> None:
        before, self.world.running = self.world.running, self
        ended = step()
        self.world.running = before
        if ended:
            errands.ended(self.world, self)

    # --- what strikes -----------------------------------------------------------------------

    def reach(self, place: Place) -> Fault | None:
        """Pass a place, unless a fault strikes; return it when it is the caller's to carry out."""
        if self.world.running is not self or self.calm:
            return None
        fault = self.world.chaos.strike(place)
        # From the key to the store `sign` has most to lose to another that overtakes it.
        stale = place is Place.KEY or (place is Place.BEGIN and self.signed)
        if fault is None and stale and self.world.chaos.likely(FREEZE, 0.12):
            fault = FREEZE
        if fault is FREEZE:
            self.freeze()
        elif fault in DEATHS:
            self.world.took_effect(fault, self)
            raise Killed(fault)
        return fault

    def within_batch(self, done: int) -> None:
        """Die with only a part of a batch done, perhaps."""
        if done and not self.calm and self.world.chaos.likely(Fault.KILLED_IN_BATCH, 0.08):
            self.world.took_effect(Fault.KILLED_IN_BATCH, self)
            raise Killed(Fault.KILLED_IN_BATCH)

    def random(self, count: int) -> bytes:
        """Return random bytes: one serial for each of a batch."""
        self.within_batch(self.drawn)
        self.drawn += 1
        return self.world.ids.randbytes(count)

    def freeze(self) -> None:
        """Stand still while others go on."""
        world, stage = self.world, self.errand.partition(" ")[0]
        lease = world.template.signer_settings.worker.lease_time
        commits, same = world.commits, world.commits_by_errand[stage]
        since, claimed = world.moment, self.commits
        world.tell(self, "is frozen")
        world.unfinished(self)  # others may find its lease over, or get its message again
        world.note_troubles(self)
        if world.rng.random() < 0.3:
            world.move(2 * lease)
        self.fiber.pause()
        if self._doomed:
            self._doomed = False
            world.took_effect(Fault.KILLED_FROZEN, self)
            raise Killed(Fault.KILLED_FROZEN)
        if world.commits > commits:
            world.took_effect(Fault.INTERLEAVED, self, quietly=True)
        if claimed and world.commits_by_errand[stage] > same and world.moment - since > lease:
            world.took_effect(Fault.LEASE_OVER, self)

    def committed(self) -> None:
        """Count a commit."""
        self.commits += 1
        self.signed = self.drawn = 0
        self.world.commits += 1
        self.world.commits_by_errand[self.errand.partition(" ")[0]] += 1

    # --- the broker -------------------------------------------------------------------------

    def connect(self, identity: str, trust: Trust, report: Any) -> MemoryBroker:
        """Return this process's connection to the broker."""
        envelope = Envelope(self.world.template.identities[identity], trust, self.now)
        refusals = Refusals(report, self.world.seconds)
        return MemoryBroker(self.world.exchange, Gate(envelope, refusals))

    def sends(self, broker: MemoryBroker) -> Callable[[Stage, Body], None]:
        """Return what this process sends with."""
        send = sender(broker)
        return lambda stage, body: self.through_broker(stage.queue, lambda: send(stage, body))

    def through_broker(self, queue: str, publish: Callable[[], None]) -> None:
        """Publish something, or not."""
        world = self.world
        if self.transactions:
            world.wrong(f"{self.name} ({self.errand}) sends with a transaction open")
        fault = self.reach(Place.SEND)
        if fault is Fault.PUBLISH_REFUSED:
            world.took_effect(fault, self)
            raise BrokerUnavailable("refused in the simulation")
        if fault is Fault.BROKER_OUT:
            world.broker_out = world.rng.randint(1, 6)
        if world.broker_out and not self.calm:
            world.broker_out -= 1
            world.took_effect(Fault.BROKER_OUT, self)
            raise BrokerUnavailable("out in the simulation")
        publish()
        world.tell(self, f"sends #{len(world.exchange.history) - 1} to {queue}")
        if self.reach(Place.SENT) is Fault.CONFIRM_LOST:
            world.took_effect(Fault.CONFIRM_LOST, self)
            raise BrokerUnavailable("no confirm in the simulation")
