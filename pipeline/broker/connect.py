"""Open the broker that the settings name."""

from pipeline.broker.consumer import Gate, GatedBroker
from pipeline.broker.memory import Exchange, MemoryBroker
from pipeline.broker.refusals import Refusals
from pipeline.crypto.envelope import Envelope
from pipeline.errors import HttpcaError
from settings.common import EMBEDDED, QueueType


def connect(
    url: str,
    envelope: Envelope,
    refusals: Refusals,
    exchange: Exchange | None = None,
    queue_type: QueueType = "classic",
) -> GatedBroker:
    """Return the broker of one side, with its gate; nothing is connected yet.

    Raises:
        HttpcaError: the settings name the in-memory broker, which exists only in `httpca dev`.
    """
    gate = Gate(envelope, refusals)
    if url != EMBEDDED:
        from pipeline.broker.rabbitmq import SignedRabbitmqBroker

        return SignedRabbitmqBroker(url, gate, queue_type)
    if exchange is None:
        raise HttpcaError(
            f"the broker {EMBEDDED} lives inside `httpca dev`; a process of its own needs "
            "broker = amqp://... in its settings"
        )
    return MemoryBroker(exchange, gate)
