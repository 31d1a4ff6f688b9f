"""A broker that does with messages whatever a broker, a network or an attacker can do."""

import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pipeline import messages
from pipeline.broker.memory import Exchange
from pipeline.messages import Decision, OutcomeBatch, SubmissionBatch
from pipeline.stages import STAGES


@dataclass
class Letter:
    """One message as it was published: ``came`` is how often it passed a gate or was refused."""

    number: int
    queue: str
    octets: bytes
    published_at: datetime
    came: int = 0
    replayed: bool = False
    redelivered: bool = False
    held_until: datetime | None = None


LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass
class HostileExchange(Exchange):
    """Queues that keep everything in sight; what happens to it is decided elsewhere."""

    lying: dict[str, list[Letter]] = field(default_factory=lambda: {name: [] for name in STAGES})
    history: list[Letter] = field(default_factory=list)
    certificates: dict[str, set[bytes]] = field(default_factory=dict)
    moment: datetime = LONG_AGO

    def publish(self, name: str, octets: bytes) -> None:
        """Take a message."""
        letter = Letter(len(self.history), name, octets, self.moment)
        self.history.append(letter)
        self.lying[name].append(letter)
        body = read_body(letter)
        if isinstance(body, OutcomeBatch):
            for outcome in body.outcomes:
                if outcome.certificate is not None:
                    self.certificates.setdefault(outcome.id, set()).add(outcome.certificate)

    def all_lying(self) -> list[Letter]:
        """Return everything that lies on any queue."""
        return [letter for queue in self.lying.values() for letter in queue]

    def due(self, name: str) -> list[Letter]:
        """Return what lies on a queue and is not held back."""
        return [
            letter
            for letter in self.lying.get(name, [])
            if letter.held_until is None or letter.held_until <= self.moment
        ]

    def purge(self) -> int:
        """Lose everything; return how much that was."""
        lost = len(self.all_lying())
        for queue in self.lying.values():
            queue.clear()
        return lost


def read_body(letter: Letter) -> messages.Body:
    """Read what a message carries, without any check."""
    part = letter.octets.split(b".")[1]
    octets = base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    payload = messages.read(messages.Payload, octets)
    return messages.read(messages.CARRIES[letter.queue], payload.body)


def requests_in(letter: Letter) -> list[str]:
    """Return the ids of the requests that a message speaks of."""
    body = read_body(letter)
    if isinstance(body, SubmissionBatch):
        return [submission.id for submission in body.submissions]
    if isinstance(body, OutcomeBatch):
        return [outcome.id for outcome in body.outcomes]
    return [body.request_id] if isinstance(body, Decision) else []
