"""The in-memory broker of `httpca dev` and of tests: the same signed octets and the same gate.

Nothing depends on a broker keeping messages (invariant 3), so this one keeps none beyond its
process. One ``Exchange`` is shared by the brokers of both sides.
"""

import queue
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from dramatiq import Message, MessageProxy
from dramatiq.broker import Consumer

from pipeline.broker import encoder
from pipeline.broker.consumer import Gate, GatedBroker
from pipeline.errors import BrokerUnavailable, MessageRefused

MAX_DEAD_LETTERS: Final = 1000


@dataclass
class Exchange:
    """Queues of octets by name, and the bounded dead letters ``(queue, reason, octets)``."""

    queues: dict[str, "queue.Queue[bytes]"] = field(default_factory=dict)
    dead_letters: "deque[tuple[str, str, bytes]]" = field(
        default_factory=lambda: deque(maxlen=MAX_DEAD_LETTERS)
    )

    def publish(self, name: str, octets: bytes) -> None:
        """Put octets on a queue.

        Raises:
            BrokerUnavailable: nobody has declared that queue (yet).
        """
        if name not in self.queues:
            raise BrokerUnavailable(f"queue {name} is not declared yet")
        self.queues[name].put(octets)


class MemoryBroker(GatedBroker):
    """One side's connection to the exchange."""

    def __init__(self, exchange: Exchange, gate: Gate) -> None:
        super().__init__(middleware=[])
        self.exchange = exchange
        self.gate = gate
        self.queues: set[str] = set()

    def declare_queue(self, queue_name: str) -> None:
        """Declare a queue; there are no delay queues."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.exchange.queues.setdefault(queue_name, queue.Queue())
            self.emit_after("declare_queue", queue_name)

    def get_declared_queues(self) -> set[str]:
        """Return the queues that this side reads."""
        return set(self.queues)

    def enqueue(self, message: Message[Any], *, delay: int | None = None) -> Message[Any]:
        """Sign and publish a message."""
        if delay is not None:
            raise ValueError("HttpCA delays nothing in the broker")
        self.exchange.publish(message.queue_name, encoder.seal(self.gate.envelope, message))
        return message

    def dead_letter(self, queue: str, octets: bytes, reason: str) -> None:
        """Keep a dead letter."""
        self.exchange.dead_letters.append((queue, reason, octets))

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        """Return a consumer of one queue."""
        return MemoryConsumer(self, queue_name, prefetch, timeout)

    def flush(self, queue_name: str) -> None:
        """Drop everything that lies on a queue."""
        drain(self.exchange.queues[queue_name])

    def flush_all(self) -> None:
        """Drop everything on all queues of this side."""
        for name in self.queues:
            self.flush(name)


class MemoryConsumer(Consumer):
    """Reads one queue through the gate; at most ``prefetch`` messages are out at a time."""

    def __init__(self, broker: MemoryBroker, queue_name: str, prefetch: int, timeout: int) -> None:
        self.broker = broker
        self.queue_name = queue_name
        self._queue = broker.exchange.queues[queue_name]
        self._timeout = timeout / 1000
        self._slots = threading.Semaphore(prefetch)

    def __next__(self) -> MessageProxy | None:
        """Return the next admitted message, or None when none came in time or it was refused."""
        if not self._slots.acquire(timeout=self._timeout):
            return None
        try:
            octets = self._queue.get(timeout=self._timeout)
        except queue.Empty:
            self._slots.release()
            return None
        try:
            return MessageProxy(self.broker.gate.admit(octets, self.queue_name, redelivered=False))
        except MessageRefused as refused:
            self.broker.exchange.dead_letters.append((self.queue_name, refused.reason, octets))
            self._slots.release()
            return None

    def ack(self, message: MessageProxy) -> None:
        """Forget a message."""
        self._slots.release()

    def nack(self, message: MessageProxy) -> None:
        """Dead-letter a message that was admitted but has no actor."""
        (received,) = message.args
        self.broker.exchange.dead_letters.append((self.queue_name, "no-actor", received.token))
        self._slots.release()

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Put back what was read ahead and not begun."""
        for message in messages:
            (received,) = message.args
            self._queue.put(received.token)


def drain(octets: "queue.Queue[bytes]") -> list[bytes]:
    """Take everything from a queue."""
    taken = []
    while True:
        try:
            taken.append(octets.get_nowait())
        except queue.Empty:
            return taken
