"""Trouble for a running server that does not end it: frozen, or out of memory or disk."""

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from tests.servers.postgresql import PostgreSQL
from tests.servers.process import ServerError, descendants
from tests.servers.rabbitmq import RabbitMQ

ALARMS: Final = {
    "memory": ("set_vm_memory_high_watermark", ["0"], ["absolute", "512MB"]),
    "disk": ("set_disk_free_limit", ["1000000GB"], ["50MB"]),
}
"""rabbitmqctl's command, the limit that is surely passed, and the one of ``rabbitmq.conf``."""


@contextmanager
def frozen(server: RabbitMQ | PostgreSQL) -> Iterator[None]:
    """Keep a server from running while the block lasts: its connections stay, and are silent.

    Raises:
        ServerError: it does not run.
    """
    if not server.running:
        raise ServerError("what does not run cannot be frozen")
    stopped = [server.pids[0]]
    try:
        _signal(stopped, signal.SIGSTOP)  # first, so that it starts no more of the others
        stopped += descendants(stopped[0])
        _signal(stopped, signal.SIGSTOP)
        yield
    finally:
        _signal(reversed(stopped), signal.SIGCONT)


@contextmanager
def alarm(server: RabbitMQ, what: str) -> Iterator[None]:
    """Let one of RabbitMQ's ``ALARMS`` be on while the block lasts: it reads nothing from who
    publishes."""
    command, on, off = ALARMS[what]
    server.ctl(command, *on)
    try:
        yield
    finally:
        server.ctl(command, *off)


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
