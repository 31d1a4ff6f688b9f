"""The gate in front of every actor: only here is it known which queue a message was read from.

Not a middleware (Dramatiq swallows its exceptions: that would fail open) and not an encoder (it
does not know the queue, so a genuine message put on another queue would be executed).
"""

from typing import Any

from dramatiq import Message

from pipeline.broker import encoder
from pipeline.broker.refusals import Refusals
from pipeline.crypto.envelope import Envelope
from pipeline.errors import MessageRefused


class Gate:
    """Opens what arrives on a side's queues; what fails a check is counted and goes no further."""

    def __init__(self, envelope: Envelope, refusals: Refusals) -> None:
        self.envelope = envelope
        self.refusals = refusals

    def admit(self, octets: bytes, queue: str, *, redelivered: bool) -> Message[Any]:
        """Return the message for Dramatiq.

        Raises:
            MessageRefused: a check failed; it has been counted.
        """
        try:
            return encoder.incoming(self.envelope.open(octets, queue, redelivered=redelivered))
        except MessageRefused as refused:
            self.refusals.note(queue, refused)
            raise
