"""Messages that kill the worker that has them in hand end among the dead letters."""

from collections.abc import Callable
from typing import Final

from pipeline.crypto.envelope import Received
from pipeline.database.tries import Tries
from pipeline.errors import MessageRefused

DEADLY: Final = "kills-its-worker"
"""The reason of such a dead letter."""

Work = Callable[[Received], None]


def guarded(tries: Tries, work: Work) -> Work:
    """Return the work of a stage whose messages carry one item, with its attempts counted.

    The returned function raises ``MessageRefused`` for a message that had too many.
    """

    def run(received: Received) -> None:
        suspected = tries.suspects([received.id], redelivered=received.redelivered)
        if suspected and not tries.begin(received.id):
            raise MessageRefused(DEADLY, received.sender.name)
        work(received)
        tries.forget(suspected)

    return run
