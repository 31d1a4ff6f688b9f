"""Run a Dramatiq worker on one side's queues until the process is told to stop.

Dramatiq's own command is not used: it takes modules, and would declare actors at import.
"""

import threading
from typing import Final

import dramatiq
import structlog

from pipeline.broker.consumer import GatedBroker
from pipeline.broker.shortcut import Shortcut
from pipeline.run.heart import Heart
from pipeline.stages import Role, stages_of

log = structlog.get_logger(__name__)

IDLE: Final = 500
"""Milliseconds after which idle threads look whether they should stop."""

LOOK: Final = 0.5
"""Seconds between two looks whether all threads live."""

LAST_WORK: Final = 10_000
"""Milliseconds that work under way is given to end; rows remember what does not."""


def start_worker(broker: GatedBroker, side: Role, threads: int) -> dramatiq.Worker:
    """Start the threads that read all queues of ``side``, and no other."""
    queues = {stage.queue for stage in stages_of(side)}
    worker = dramatiq.Worker(broker, queues=queues, worker_timeout=IDLE, worker_threads=threads)
    broker.shortcut = Shortcut(worker, broker.gate.envelope.clock)
    worker.start()
    return worker


def is_alive(worker: dramatiq.Worker) -> bool:
    """Say whether all threads of a worker live."""
    return all(thread.is_alive() for thread in [*worker.workers, *worker.consumers.values()])


def is_connected(worker: dramatiq.Worker) -> bool:
    """Say whether every queue is being read."""
    connections = [
        getattr(thread.consumer, "connection", None) for thread in worker.consumers.values()
    ]
    return all(connection is not None and connection.is_open for connection in connections)


def run_worker(
    broker: GatedBroker, side: Role, threads: int, stopping: threading.Event, heart: Heart
) -> int:
    """Work until ``stopping`` is set; return the exit code, 1 when one of the threads died."""
    worker = start_worker(broker, side, threads)
    log.info("worker-started", side=side, queues=sorted(worker.consumers))
    heart.start(lambda: is_connected(worker), stopping)
    died = False
    while not stopping.wait(LOOK):
        if not is_alive(worker):
            log.critical("worker-thread-died")
            died = True
            stopping.set()
    worker.stop(timeout=LAST_WORK)
    broker.close()
    log.info("worker-stopped")
    return 1 if died else 0
