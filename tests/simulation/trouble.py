"""What goes wrong outside of any process: the broker's mischief, clocks, policies, slow processes."""

from datetime import timedelta

from pipeline.stages import STAGES, Role
from tests.simulation import errands
from tests.simulation.faults import Fault
from tests.simulation.world import World

SPANS = (0.01, 0.5, 3.0, 12.0, 40.0, 120.0, 1000.0, 4000.0)
"""Seconds that pass at once."""
JUMPS = (-9.0, -4.0, -0.5, 0.5, 3.0, 8.0)
"""Hours that a clock is wrong."""


class Trouble:
    """Each method lets one thing go wrong; False when there was nothing that could."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rng = world.rng

    def mischief(self) -> bool:
        """The broker loses, repeats, holds back or mixes up messages."""
        world, exchange = self.world, self.world.exchange
        lying = exchange.all_lying()
        if world.chaos.likely(Fault.PURGED, 0.15):
            lost = exchange.purge()
            if lost:
                world.took_effect(Fault.PURGED, None)
        elif exchange.history and world.chaos.likely(Fault.REPLAYED, 0.3):
            letter = self.rng.choice(exchange.history)
            letter.replayed = True
            exchange.lying[letter.queue].append(letter)
        elif lying and world.chaos.likely(Fault.DROPPED, 0.3):
            letter = self.rng.choice(lying)
            for queue in exchange.lying.values():
                if letter in queue:
                    queue.remove(letter)
            world.took_effect(Fault.DROPPED, None, quietly=True)
            world.tell(None, f"#{letter.number} is lost")
        elif lying and world.chaos.likely(Fault.DELAYED, 0.5):
            seconds = self.rng.choice(SPANS[2:])
            self.rng.choice(lying).held_until = world.moment + timedelta(seconds=seconds)
        elif exchange.history and world.chaos.likely(Fault.MISROUTED, 0.2):
            letter = self.rng.choice(exchange.history)
            wrong = self.rng.choice([name for name in STAGES if name != letter.queue])
            exchange.lying[wrong].append(letter)
        else:
            return False
        return True

    def overtake(self) -> bool:
        """A process stays frozen until its lease is over and another takes up the same stage."""
        world = self.world
        frozen = [runner for runner in (*world.web_workers, *world.signer_workers) if runner.busy]
        if not frozen or not world.chaos.likely(Fault.LEASE_OVER, 0.8):
            return False
        slow = max(frozen, key=lambda runner: (runner.commits > 0, runner.errand[:5] == "sign "))
        lease = world.template.signer_settings.worker.lease_time
        world.move(lease + timedelta(seconds=1))
        timer, sweep = world.web_timer, world.web_clock.sweep
        if slow.side is Role.SIGNER:
            timer, sweep = world.signer_timer, world.signer_clock.sweep
        if timer.busy:
            return False
        world.tell(slow, "stays frozen")
        world.chaos.active = False  # who overtakes comes to the end
        timer.start("sweep", sweep)
        # What was put on a wrong queue of the other side is refused, and nobody overtakes that.
        read = [name for name, stage in STAGES.items() if stage.side is slow.side]
        queue = slow.letter.queue if slow.letter and slow.letter.queue in read else ""
        for letter in world.exchange.due(queue):
            idle = [one for one in world.workers_of(slow.side) if not one.busy]
            if idle:
                world.exchange.lying[queue].remove(letter)
                errands.deliver(world, idle[0], queue, letter)
        world.chaos.active = True
        if slow.busy and self.rng.random() < 0.5:
            slow.resume()
        return True

    def jump(self) -> bool:
        """The clock of one process jumps, or is put right."""
        runner = self.rng.choice(self.world.runners)
        hours = self.rng.choice(JUMPS)
        if not self.world.chaos.likely(Fault.CLOCK_AHEAD if hours > 0 else Fault.CLOCK_BEHIND, 0.6):
            hours = 0.0
        runner.offset = timedelta(hours=hours)
        self.world.tell(runner, f"clock is {hours:+} h")
        return True

    def policy(self) -> bool:
        """Another policy is put in place; each worker notices by itself."""
        world = self.world
        if not world.chaos.likely(Fault.POLICY_CHANGED, 0.7):
            return False
        world.policy_number = self.rng.randrange(len(world.template.policies))
        workers = list(world.signer_workers)
        if world.chaos.likely(Fault.POLICIES_DIFFER):
            workers = workers[:1]
        for worker in workers:
            worker.policy_number = world.policy_number
        world.tell(None, f"policy {world.policy_number} for {len(workers)} workers")
        return True
