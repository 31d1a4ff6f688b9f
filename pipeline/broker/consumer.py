"""The gate in front of every actor: only here is it known which queue a message was read from.

Not a middleware (Dramatiq swallows its exceptions: that would fail open) and not an encoder (it
does not know the queue, so a genuine message put on another queue would be executed).
"""

from typing import Any, Final

import structlog
from dramatiq import Broker, Message

from pipeline.broker import encoder
from pipeline.broker.refusals import Refusals
from pipeline.broker.shortcut import Shortcut
from pipeline.crypto.envelope import Envelope, Received
from pipeline.errors import MessageRefused

log = structlog.get_logger(__name__)

UNCHECKED: Final = "cannot-be-checked"
"""The reason for a message on which a check itself failed, by a defect of ours."""


class Gate:
    """Opens what arrives on a side's queues; what fails a check is counted and goes no further."""

    def __init__(self, envelope: Envelope, refusals: Refusals) -> None:
        self.envelope = envelope
        self.refusals = refusals

    def admit(self, octets: bytes, queue: str, *, redelivered: bool) -> Message[Any]:
        """Return the message for Dramatiq.

        A message on which a check breaks is refused as well: put back, it would come again for ever
        and nothing behind it would be read.

        Raises:
            MessageRefused: a check failed; it has been counted.
            OSError: the trust folder is out of reach for now; the message comes again.
        """
        try:
            return encoder.incoming(self._open(octets, queue, redelivered=redelivered))
        except MessageRefused as refused:
            self.refusals.note(queue, refused)
            raise

    def _open(self, octets: bytes, queue: str, *, redelivered: bool) -> Received:
        try:
            return self.envelope.open(octets, queue, redelivered=redelivered)
        except (MessageRefused, OSError, MemoryError):
            raise
        except Exception as error:  # the gate is where strangers' octets come in
            log.error("message-breaks-gate", queue=queue, error=type(error).__name__)
            raise MessageRefused(UNCHECKED) from error


class GatedBroker(Broker):
    """A broker with the gate in its consumers.

    ``shortcut`` is that of the worker which reads from it, if one does; a broker in memory has no use
    for it.
    """

    gate: Gate
    shortcut: Shortcut | None = None

    def refuse(self, received: Received, refused: MessageRefused) -> None:
        """Count and dead-letter a message that was admitted, and that its stage will not do.

        Raises:
            BrokerUnavailable: the dead letter was not taken; nothing has been counted.
        """
        self.dead_letter(received.stage.queue, received.token, refused.reason)
        self.gate.refusals.note(received.stage.queue, refused)

    def leave(self, received: Received) -> None:
        """Leave a message that was not done, since this process ends, to whoever reads its queue next.

        A broker that keeps nothing beyond the process has nothing to do.
        """

    def dead_letter(self, queue: str, octets: bytes, reason: str) -> None:
        """Publish to the dead letters of a queue; see ``refuse``."""
        raise NotImplementedError
