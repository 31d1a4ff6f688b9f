"""RabbitMQ: queues, and consuming through the gate.

Each queue has an exchange of its own name; permissions can so be given per stage. Only the
consuming side declares (queue, exchange, dead letters): declaring needs rights that also delete.
There are no delay queues and no retries in the broker: rows say what is still to be done.
"""

import threading
from collections.abc import Generator
from functools import partial
from typing import Any, Final

import pika
import structlog
from dramatiq import Message, MessageProxy
from dramatiq.broker import Consumer
from dramatiq.brokers.rabbitmq import RabbitmqBroker, _RabbitmqConsumer, _RabbitmqMessage
from dramatiq.common import xq_name
from dramatiq.errors import ConnectionClosed
from dramatiq.logging import get_logger

from pipeline.broker import encoder
from pipeline.broker.consumer import Gate, GatedBroker
from pipeline.broker.limit import TROUBLE, close, limit
from pipeline.broker.outage import Outage, hush
from pipeline.broker.publisher import ANSWER, Publisher, connection_parameters
from pipeline.crypto.envelope import Received
from pipeline.errors import MessageRefused
from pipeline.messages import CARRIES, MAX_MESSAGE_BYTES, WakeUp
from settings.common import QueueType

log = structlog.get_logger(__name__)

DEAD_LETTERS: Final = {
    "x-max-length": 10_000,
    "x-max-length-bytes": 64 * 1024 * 1024,
    "x-overflow": "drop-head",
    "x-message-ttl": 30 * 86_400_000,
}
"""Dead letters are bounded in number, bytes and age (ms); the oldest go first."""

WAKE_UPS: Final[dict[str, Any]] = {"x-max-length": 100, "x-overflow": "drop-head"}
"""One wake-up says as much as a hundred: while a worker is away its clock's do not pile up."""

ACROSS: Final[dict[str, Any]] = {
    "x-max-length": 10_000,
    "x-max-length-bytes": 64 * MAX_MESSAGE_BYTES,
    "x-overflow": "drop-head",
}
"""What lies there while the other side is away is bounded in number and bytes; the oldest go first.
They are no dead letters: the rows know them, and they are said again
(docs/decisions/0017-bounded-queues.md)."""

NOTHING: Final = (None, None, None)
"""What pika says when no message came in time."""

NO_ACTOR: Final = "no-actor"
REASON: Final = "httpca-reason"
REFUSED_AT: Final = "httpca-refused-at"
"""The headers in which a dead letter says why and when it was refused; only operators read them."""


class SignedRabbitmqBroker(GatedBroker, RabbitmqBroker):
    """Dramatiq's RabbitMQ broker, with the gate in its consumers and signatures on what it sends."""

    def __init__(self, url: str, gate: Gate, queue_type: QueueType = "classic") -> None:
        super().__init__(middleware=[], parameters=[])
        self.parameters = connection_parameters(url)
        self.gate = gate
        self.outage = Outage()
        self._kind = {} if queue_type == "classic" else {"x-queue-type": queue_type}
        self._publishers: list[Publisher] = []
        self.left: set[str] = set()

    def declare_queue(self, queue_name: str) -> None:  # type: ignore[override]
        """Note a queue that this side reads; on the server it is made when it is consumed."""
        if queue_name not in self.queues:
            hush(queue_name)
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        """Declare a queue and return a consumer of it, with a connection of its own.

        Raises:
            ConnectionClosed: the broker is out of reach; the calling thread tries again.
        """
        try:
            return SignedConsumer(self, queue_name, prefetch, timeout)
        except TROUBLE as error:
            self.outage.lost(queue_name, error)
            raise ConnectionClosed(error) from None

    def enqueue(self, message: Message[Any], *, delay: int | None = None) -> Message[Any]:
        """Sign and publish a message, with confirm. A wake-up need not survive the broker's end, nor
        reach the broker at all when our own worker takes it.

        Raises:
            BrokerUnavailable: see ``Publisher.publish``.
        """
        if delay is not None:
            raise ValueError("HttpCA delays nothing in the broker")
        wakes = CARRIES[message.queue_name] is WakeUp
        if wakes and self.shortcut is not None and self.shortcut.takes(message):
            return message
        octets = encoder.seal(self.gate.envelope, message)
        self._publisher.publish(message.queue_name, octets, durable=not wakes)
        return message

    def leave(self, received: Received) -> None:
        """Do not acknowledge it: it comes again when our connection is closed."""
        self.left.add(received.id)

    def dead_letter(self, queue: str, octets: bytes, reason: str) -> None:
        """Publish to the dead letters of a queue, with confirm.

        Raises:
            BrokerUnavailable: see ``Publisher.publish``.
        """
        self._publisher.publish(xq_name(queue), octets, self.why(reason))

    def why(self, reason: str) -> dict[str, str]:
        """Return the headers of a dead letter that is refused now."""
        return {
            REASON: reason,
            REFUSED_AT: self.gate.envelope.clock().isoformat(timespec="seconds"),
        }

    @property
    def _publisher(self) -> Publisher:
        publisher: Publisher | None = getattr(self.state, "publisher", None)
        if publisher is None:
            publisher = self.state.publisher = Publisher(self.parameters)
            self._publishers.append(publisher)
        return publisher

    def close(self) -> None:
        """Close all connections, when the threads that used them have ended."""
        for publisher in self._publishers:
            publisher.close()
        super().close()

    def make(self, channel: Any, queue_name: str) -> None:
        """Make a queue and its dead letters on the server, unless they are there."""
        dead = xq_name(queue_name)
        bounds = WAKE_UPS if CARRIES[queue_name] is WakeUp else ACROSS
        for name, arguments in ((queue_name, bounds), (dead, DEAD_LETTERS)):
            channel.exchange_declare(name, exchange_type="direct", durable=True)
            channel.queue_declare(name, durable=True, arguments=arguments | self._kind)
            channel.queue_bind(name, name, name)


class SignedConsumer(_RabbitmqConsumer):
    """Lets a message through to Dramatiq only when it passed every check.

    Whatever it waits for ends: a thread that waits for ever reads nothing, although the broker sends
    its heartbeats.
    """

    broker: SignedRabbitmqBroker

    def __init__(
        self, broker: SignedRabbitmqBroker, queue_name: str, prefetch: int, timeout: int
    ) -> None:
        self.broker = broker
        self.queue_name = queue_name
        self.logger = get_logger(__name__, type(self))
        self.known_tags: set[int] = set()
        self.connection = pika.BlockingConnection(broker.parameters)
        try:
            with limit(self.connection, ANSWER):
                self.channel = self.connection.channel()
                # Anew each time: somebody may have deleted it, or replaced the broker by an empty one.
                broker.make(self.channel, queue_name)
                self.channel.basic_qos(prefetch_count=prefetch)
        except BaseException:
            close(self.connection)
            raise
        self.iterator = self._deliveries(timeout / 1000)

    def _deliveries(self, timeout: float) -> Generator[tuple[Any, Any, Any], None, None]:
        deliveries = self.channel.consume(self.queue_name, inactivity_timeout=timeout)
        with limit(self.connection, ANSWER):  # pika subscribes when it is asked for the first one
            first = next(deliveries, NOTHING)
        yield first
        yield from deliveries

    def close(self) -> None:
        """Acknowledge what is still to be, close the connection, and forget what was not begun."""
        done = threading.Event()
        if self.connection.is_open:
            try:
                with limit(self.connection, ANSWER):
                    self.connection.add_callback_threadsafe(done.set)
                    while not done.is_set():
                        self.connection.process_data_events()
            except (ConnectionClosed, *TROUBLE) as error:
                log.debug("connection-closed-badly", error=type(error).__name__)
        close(self.connection)
        if self.broker.shortcut is not None:
            self.broker.shortcut.forget(self)

    def __next__(self) -> "Delivery | None":
        """Return the next admitted message, or None when none came in time or it was refused."""
        try:
            method, _, octets = next(self.iterator)
        except (AssertionError, StopIteration, *TROUBLE) as error:
            self.broker.outage.lost(self.queue_name, error)
            raise ConnectionClosed(error) from None
        self.broker.outage.over(self.queue_name)
        if method is None:
            return None
        try:
            message = self.broker.gate.admit(
                octets, self.queue_name, redelivered=bool(method.redelivered)
            )
        except MessageRefused as refused:
            self._dead_letter(method.delivery_tag, octets, refused.reason)
            return None
        self.known_tags.add(method.delivery_tag)
        return Delivery(self, method.redelivered, method.delivery_tag, message)

    def ack(self, message: MessageProxy) -> None:
        """Acknowledge a message, unless it was left undone, or came by a connection that is gone: it
        comes again, harmlessly, and by its number another one would be acknowledged here.

        Dramatiq would keep the thread waiting for seconds, and then give up.
        """
        if message.message_id in self.broker.left:
            return
        if not isinstance(message, Delivery) or message.consumer is not self:
            log.debug("not-acknowledged", queue=self.queue_name)
            return
        try:
            super().ack(message)  # type: ignore[no-untyped-call]
        except ConnectionClosed as error:
            log.debug("not-acknowledged", queue=self.queue_name, error=type(error).__name__)

    def nack(self, message: MessageProxy) -> None:
        """Dead-letter a message that was admitted but has no actor: not even a defect loses it."""
        if isinstance(message, Delivery) and message.consumer is self:
            (received,) = message.args
            letter = partial(self._dead_letter, message._tag, received.token, NO_ACTOR)
            self.connection.add_callback_threadsafe(letter)

    def _dead_letter(self, tag: int, octets: bytes, reason: str) -> None:
        """Publish before acknowledging, in order on one channel: a crash between makes two."""
        dead = xq_name(self.queue_name)
        properties = pika.BasicProperties(delivery_mode=2, headers=self.broker.why(reason))
        try:
            self.channel.basic_publish(dead, dead, octets, properties)
            self.channel.basic_ack(tag)
        except TROUBLE as error:
            raise ConnectionClosed(error) from None


class Delivery(_RabbitmqMessage):
    """A message, and the consumer that it came by: each counts its messages from one."""

    def __init__(
        self, consumer: SignedConsumer, redelivered: bool, tag: int, message: Message[Any]
    ) -> None:
        super().__init__(redelivered, tag, message)  # type: ignore[no-untyped-call]
        self.consumer = consumer
