"""Between Dramatiq's messages and signed octets.

An actor gets one argument, the ``Received`` message: its body, who sent it, and the whole token.
Dramatiq's own (global) encoder is never used.
"""

from typing import Any

from dramatiq import Message

from pipeline.crypto.envelope import Envelope, Received
from pipeline.messages import Body
from pipeline.stages import STAGES, Stage


def outgoing(stage: Stage, body: Body) -> Message[Any]:
    """Return the Dramatiq message that carries ``body`` to ``stage``."""
    return Message(
        queue_name=stage.queue, actor_name=stage.name, args=(body,), kwargs={}, options={}
    )


def seal(envelope: Envelope, message: Message[Any]) -> bytes:
    """Return the signed octets of an outgoing message."""
    (body,) = message.args
    return envelope.seal(message.message_id, STAGES[message.queue_name], body)


def incoming(received: Received) -> Message[Any]:
    """Return the Dramatiq message of something that passed every check."""
    return Message(
        queue_name=received.stage.queue,
        actor_name=received.stage.name,
        args=(received,),
        kwargs={},
        options={},
        message_id=received.id,
    )
