"""Send to a stage, by the stage table alone.

Across the boundary: ``send`` (it raises; publish with confirm, then mark). Within a side: commit
first, then ``wake`` (it does not raise: the clock's sweep finds what a lost wake-up leaves behind).
"""

from collections.abc import Callable

import structlog
from dramatiq import Broker

from pipeline.broker.encoder import outgoing
from pipeline.errors import BrokerUnavailable
from pipeline.messages import Body, WakeUp
from pipeline.stages import Stage

log = structlog.get_logger(__name__)

Send = Callable[[Stage, Body], None]


def sender(broker: Broker) -> Send:
    """Return the function that sends by this broker, and returns when the broker has confirmed.

    The function raises ``BrokerUnavailable``.
    """

    def send(stage: Stage, body: Body) -> None:
        broker.enqueue(outgoing(stage, body))

    return send


def wake(send: Send, stage: Stage) -> BrokerUnavailable | None:
    """Wake a stage of one's own side; return why the broker did not take the wake-up, if so."""
    try:
        send(stage, WakeUp())
    except BrokerUnavailable as error:
        log.debug("wake-up-lost", stage=stage.name, error=str(error))
        return error
    return None
