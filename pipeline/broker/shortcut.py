"""Wake-ups of a worker to itself, which need not go round by the broker.

Through the broker a wake-up is signed, written, confirmed, sent back and verified: some milliseconds of
a lone request's few. A worker that has nothing else in hand is the one who would get it anyway; one
that has leaves it to the broker, and so to whichever worker is free.
"""

import heapq
from typing import Any

from dramatiq import Message, MessageProxy, Worker
from dramatiq.broker import Consumer

from pipeline.broker.encoder import incoming
from pipeline.clock import Clock
from pipeline.crypto.envelope import Received
from pipeline.crypto.identity import Sender
from pipeline.messages import WakeUp
from pipeline.stages import STAGES


class Shortcut:
    """From the broker of a worker into that worker's own queue of messages to work on."""

    def __init__(self, worker: Worker, clock: Clock) -> None:
        self._worker = worker
        self._clock = clock

    def takes(self, message: Message[Any]) -> bool:
        """Take a wake-up, unless this worker does not read its queue, has other work, or is ending.

        It is acknowledged to nobody. One that is lost with the process is as any wake-up that is lost:
        the clock's sweep finds what it would have.
        """
        worker = self._worker
        reader = worker.consumers.get(message.queue_name)
        if reader is None or reader.consumer is None or not worker.work_queue.empty():
            return False
        if not all(thread.running for thread in worker.workers):
            return False
        stage = STAGES[message.queue_name]
        me = Sender(stage.side, stage.side)
        received = Received(message.message_id, stage, WakeUp(), me, self._clock(), token=b"")
        reader.handle_message(MessageProxy(incoming(received)))
        return True

    def forget(self, consumer: Consumer) -> None:
        """Take out what came by a consumer whose connection is gone, and was not begun: it comes again.

        While the worker waits for something, each connection that breaks would else leave more here.
        """
        waiting = self._worker.work_queue
        with waiting.mutex:
            waiting.queue[:] = [
                item
                for item in waiting.queue
                if getattr(item.message, "consumer", None) is not consumer
            ]
            heapq.heapify(waiting.queue)
