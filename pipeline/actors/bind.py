"""Declare a stage's work as a Dramatiq actor on a broker.

Done when a side is bound to its broker, not at import: Dramatiq would invent a global broker.
"""

from collections.abc import Callable
from functools import partial

import dramatiq
import structlog

from pipeline.actors.patience import Patience, Stopped
from pipeline.broker.consumer import GatedBroker
from pipeline.crypto.envelope import Received
from pipeline.errors import MessageRefused
from pipeline.stages import Stage

log = structlog.get_logger(__name__)

Work = Callable[[Received], None]


def bind(broker: GatedBroker, stage: Stage, work: Work, patience: Patience) -> None:
    """Declare the actor of ``stage`` on ``broker``: it does ``work``, and waits out what must be.

    A message that ``work`` refuses is dead-lettered; one that is not done when the process stops stays
    on its queue.
    """

    def run(received: Received) -> None:
        with structlog.contextvars.bound_contextvars(stage=stage.name, message_id=received.id):
            try:
                try:
                    patience(partial(work, received))
                except MessageRefused as refused:
                    patience(partial(broker.refuse, received, refused))
            except Stopped:
                broker.leave(received)
                log.info("stopped-while-waiting")

    dramatiq.actor(
        broker=broker, actor_name=stage.name, queue_name=stage.queue, priority=stage.priority
    )(run)
