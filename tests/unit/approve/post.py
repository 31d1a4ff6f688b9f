"""A broker for an approver's decisions, and what became of these."""

from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline.approve.desk import Desk
from pipeline.approve.spool import Spooled
from pipeline.errors import BrokerUnavailable
from pipeline.stages import DECIDE
from tests.unit.approve.world import World


@dataclass
class Post:
    """A broker for tests: ``deliver`` is called with each message; ``down`` says how often it fails."""

    deliver: Callable[[bytes], None] = lambda octets: None
    down: int = 0
    sent: list[bytes] = field(default_factory=list)
    closed: int = 0

    def publish(self, queue: str, octets: bytes) -> None:
        assert queue == DECIDE.queue
        if self.down:
            self.down -= 1
            raise BrokerUnavailable("no connection")
        self.sent.append(octets)
        self.deliver(octets)

    def close(self) -> None:
        self.closed += 1


def take(world: World, spooled: Spooled) -> None:
    """Let the signer have a message."""
    world.receive(spooled)


def spooled_ids(desk: Desk) -> list[str]:
    return [spooled.message_id for spooled in desk.spool.list()[0]]
