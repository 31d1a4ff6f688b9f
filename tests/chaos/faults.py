"""The faults: each is done to the ground or the crew, undone in the end, and counted when it took
effect.
"""

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import pika
import psycopg
from pika.exceptions import ChannelClosedByBroker

from pipeline.broker.limit import TROUBLE
from pipeline.broker.publisher import ANSWER
from pipeline.stages import STAGES
from tests.chaos.crew import Crew, Service
from tests.chaos.ground import HEARTBEAT, LEASE, Ground
from tests.servers.trouble import ALARMS, alarm, frozen

FROZEN: Final = max(3 * HEARTBEAT, LEASE) + 2.0
"""Seconds: longer than leases last, and than RabbitMQ waits for a client."""

FILLED: Final = 4.0
"""Seconds for which nobody gets a connection."""


class NoEffect(Exception):
    """What was to be broken was not there, or nothing came of it."""


@dataclass
class Scene:
    """What faults are done to, and by what dice; ``ending`` cuts them short."""

    ground: Ground
    crew: Crew
    rng: random.Random
    ending: threading.Event = field(default_factory=threading.Event)

    def wait(self, least: float, most: float | None = None) -> None:
        """Let some time pass."""
        self.ending.wait(self.rng.uniform(least, most or least))

    def one_of(self, kind: str) -> Service:
        """Choose a running process.

        Raises:
            NoEffect: none runs at the moment.
        """
        for _ in range(100):
            running = [service for service in self.crew.of(kind) if service.running]
            if running:
                return self.rng.choice(running)
            time.sleep(0.1)
        raise NoEffect(f"no {kind} runs")


Fault = Callable[[Scene], str]
"""Breaks something and mends it; returns what was hit."""


def kill(kind: str) -> Fault:
    """Kill -9 one process of a kind."""

    def fault(scene: Scene) -> str:
        service = scene.one_of(kind)
        if not service.signal(signal.SIGKILL):
            raise NoEffect(service.name)
        return service.name

    return fault


def freeze(kind: str) -> Fault:
    """Stop one process of a kind for longer than its lease and heartbeats, and let it go on."""

    def fault(scene: Scene) -> str:
        service = scene.one_of(kind)
        with _stopped([service]):
            scene.wait(FROZEN)
        return service.name

    return fault


def kill_rabbitmq(scene: Scene) -> str:
    """Kill RabbitMQ in an instant, and start it again a little later."""
    scene.ground.rabbitmq.kill()
    scene.wait(0.5, 2.0)
    scene.ground.rabbitmq.start()
    return "rabbitmq"


def restart_rabbitmq(scene: Scene) -> str:
    """Restart RabbitMQ in an orderly way."""
    scene.ground.rabbitmq.restart()
    return "rabbitmq"


def purge_queues(scene: Scene) -> str:
    """Let messages pile up on one side's queues, and drop them all."""
    kind = scene.rng.choice(["web-worker", "signer-worker"])
    dropped = 0
    with _stopped(scene.crew.of(kind)):
        scene.wait(1.5)
        for queue in STAGES:
            # One that was deleted is not made again before its readers run.
            with suppress(ChannelClosedByBroker), _channel(scene) as channel:
                dropped += channel.queue_purge(queue).method.message_count
    if dropped == 0:
        raise NoEffect("no message lay on the queues")
    return f"{dropped} messages"


def delete_queues(scene: Scene) -> str:
    """Delete all queues, with what lies on them, under the eyes of their consumers."""
    with _channel(scene) as channel:
        for queue in STAGES:
            channel.queue_delete(queue)
    return f"{len(STAGES)} queues"


def freeze_rabbitmq(scene: Scene) -> str:
    """Stop RabbitMQ from running for longer than leases and heartbeats last."""
    with frozen(scene.ground.rabbitmq):
        scene.wait(FROZEN)
    return "rabbitmq"


def freeze_postgresql(side: str) -> Fault:
    """Stop a side's PostgreSQL and all its children from running, for as long."""

    def fault(scene: Scene) -> str:
        with frozen(scene.ground.postgresql[side]):
            scene.wait(FROZEN)
        return f"postgresql ({side})"

    return fault


def raise_alarm(scene: Scene) -> str:
    """Let RabbitMQ block all who publish, for longer than they wait for a confirm."""
    what = scene.rng.choice(sorted(ALARMS))
    with alarm(scene.ground.rabbitmq, what):
        scene.wait(ANSWER + 2.0)
    return f"rabbitmq ({what})"


def crash_postgresql(side: str) -> Fault:
    """Stop a side's PostgreSQL in immediate mode, and start it again a little later."""

    def fault(scene: Scene) -> str:
        server = scene.ground.postgresql[side]
        server.halt("immediate")
        scene.wait(0.5, 3.0)
        server.start()
        return f"postgresql ({side})"

    return fault


def fill_postgresql(side: str) -> Fault:
    """Use up all connections of a side's PostgreSQL, and send away who had one."""

    def fault(scene: Scene) -> str:
        with ExitStack() as taken, scene.ground.connect(side) as master:
            count = 0
            end = time.monotonic() + FILLED
            while time.monotonic() < end and not scene.ending.is_set():
                count += _take_all(scene, side, taken)
                master.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name LIKE 'httpca%'"
                )
        return f"{count} connections"

    return fault


def fill_rabbitmq(scene: Scene) -> str:
    """Use up all connections of RabbitMQ while a worker of each side has to connect anew."""
    with ExitStack() as taken:
        count = 0
        try:
            for _ in range(100):
                taken.callback(_close, pika.BlockingConnection(_parameters(scene, heartbeat=0)))
                count += 1
        except TROUBLE:
            pass
        else:
            raise NoEffect("RabbitMQ took all connections")
        for kind in ("web-worker", "signer-worker"):
            scene.one_of(kind).signal(signal.SIGKILL)
        scene.wait(FILLED)
    return f"{count} connections"


ON_PROCESSES: Final[dict[str, Fault]] = {
    "kill -9 web": kill("web"),
    "kill -9 web-worker": kill("web-worker"),
    "kill -9 web-clock": kill("web-clock"),
    "kill -9 signer-worker": kill("signer-worker"),
    "kill -9 signer-clock": kill("signer-clock"),
    "freeze a web process": freeze("web"),
    "freeze a web-worker": freeze("web-worker"),
    "freeze a signer-worker": freeze("signer-worker"),
    "freeze the web-clock": freeze("web-clock"),
    "freeze the signer-clock": freeze("signer-clock"),
}

ON_SERVERS: Final[dict[str, Fault]] = {
    "RabbitMQ killed": kill_rabbitmq,
    "RabbitMQ restarted": restart_rabbitmq,
    "RabbitMQ frozen": freeze_rabbitmq,
    "RabbitMQ out of memory or disk": raise_alarm,
    "RabbitMQ full": fill_rabbitmq,
    "queues purged": purge_queues,
    "queues deleted": delete_queues,
    "PostgreSQL (web) stopped at once": crash_postgresql("web"),
    "PostgreSQL (signer) stopped at once": crash_postgresql("signer"),
    "PostgreSQL (web) frozen": freeze_postgresql("web"),
    "PostgreSQL (signer) frozen": freeze_postgresql("signer"),
    "PostgreSQL (web) full": fill_postgresql("web"),
    "PostgreSQL (signer) full": fill_postgresql("signer"),
}

KINDS: Final = (*ON_PROCESSES, *ON_SERVERS)


@contextmanager
def _stopped(services: list[Service]) -> Iterator[None]:
    stopped = [service for service in services if service.signal(signal.SIGSTOP)]
    try:
        time.sleep(0.1)
        if not any(service.is_stopped() for service in stopped):
            raise NoEffect("no process stopped")
        yield
    finally:
        for service in stopped:
            service.signal(signal.SIGCONT)


@contextmanager
def _channel(scene: Scene) -> Iterator[Any]:
    connection = pika.BlockingConnection(_parameters(scene))
    try:
        yield connection.channel()
    finally:
        _close(connection)


def _parameters(scene: Scene, heartbeat: int | None = None) -> pika.URLParameters:
    parameters = pika.URLParameters(scene.ground.rabbitmq.url())
    parameters.heartbeat = heartbeat
    parameters.stack_timeout = 2.0  # when it is full, it takes connections and says nothing
    return parameters


def _close(connection: pika.BlockingConnection) -> None:
    with suppress(*TROUBLE):
        connection.close()


def _take_all(scene: Scene, side: str, taken: ExitStack) -> int:
    """Open connections until none is given any more."""
    count = 0
    while not scene.ending.is_set():
        try:
            connection = scene.ground.connect(side)
        except psycopg.OperationalError:
            return count
        taken.callback(connection.close)
        count += 1
    return count
