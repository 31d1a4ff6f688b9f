"""A worker with nothing else in hand goes on without the broker; one that has leaves it to others."""

import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pika
import pytest
from dramatiq import Worker

from pipeline.actors.bind import bind
from pipeline.actors.patience import Patience
from pipeline.broker.connect import connect
from pipeline.broker.consumer import GatedBroker
from pipeline.broker.publisher import open_publisher
from pipeline.broker.refusals import Refusals
from pipeline.broker.send import sender, wake
from pipeline.crypto.envelope import Received
from pipeline.errors import BrokerUnavailable
from pipeline.messages import WakeUp
from pipeline.run.worker import is_connected, start_worker
from pipeline.stages import SIGN, STAGES, TRANSMIT, Role, Stage
from tests.servers import RabbitMQ
from tests.unit.crypto.message_world import SIGNER, MessageWorld
from tests.waiting import wait_until

NOT_FOR_EVER = 30.0


@dataclass
class Signer:
    """A worker whose `sign` wakes `transmit`, and what came to pass."""

    broker: GatedBroker
    url: str
    go_on: threading.Event = field(default_factory=threading.Event)
    begun: list[Stage] = field(default_factory=list)
    told: list[Received] = field(default_factory=list)

    def start(self) -> Worker:
        bind(self.broker, SIGN, self.sign, Patience())
        bind(self.broker, TRANSMIT, self.told.append, Patience())
        assert self.broker.gate.envelope.trust is not None
        self.broker.gate.envelope.trust.refresh()
        worker = start_worker(self.broker, Role.SIGNER, 1)
        wait_until(lambda: is_connected(worker))
        return worker

    def sign(self, _received: Received) -> None:
        self.begun.append(SIGN)
        self.go_on.wait(NOT_FOR_EVER)
        wake(sender(self.broker), TRANSMIT)

    def send(self, number: int) -> None:
        """Let a wake-up come from somebody else."""
        name = f"01890000-0000-7000-8000-{number:012}"
        octets = self.broker.gate.envelope.seal(name, SIGN, WakeUp())
        publisher = open_publisher(self.url)

        def sent() -> bool:
            try:
                publisher.publish(SIGN.queue, octets)
            except BrokerUnavailable:  # the worker has not declared its queue yet
                return False
            return True

        wait_until(sent)
        publisher.close()

    def lying(self, stage: Stage) -> int:
        """Return how many messages nobody has taken."""
        with pika.BlockingConnection(pika.URLParameters(self.url)) as connection:
            declared = connection.channel().queue_declare(stage.queue, passive=True)
            return int(declared.method.message_count)


@pytest.fixture
def signer(rabbitmq: RabbitMQ, tmp_path: Path) -> Iterator[Signer]:
    name = f"shortcut-{secrets.token_hex(4)}"
    rabbitmq.add_vhost(name)
    world = MessageWorld(tmp_path / "trusted")
    url = rabbitmq.url(vhost=name)
    broker = connect(url, world.envelope(world.identity(SIGNER)), Refusals())
    yield Signer(broker, url)
    broker.close()
    rabbitmq.delete_vhost(name)


def by_the_broker(received: Received) -> bool:
    return received.token != b""


def test_a_worker_without_other_work_goes_on_without_the_broker(signer: Signer) -> None:
    signer.go_on.set()
    worker = signer.start()
    try:
        signer.send(1)
        wait_until(lambda: len(signer.told) == 1)
    finally:
        worker.stop(timeout=5000)
    (received,) = signer.told
    assert not by_the_broker(received)
    assert received.stage is STAGES[TRANSMIT.queue]


def test_a_worker_with_other_work_leaves_it_to_whoever_is_free(signer: Signer) -> None:
    worker = signer.start()
    try:
        signer.send(1)
        wait_until(lambda: len(signer.begun) == 1)
        signer.send(2)
        wait_until(lambda: not worker.work_queue.empty())
        signer.go_on.set()
        wait_until(lambda: len(signer.told) == 2)
    finally:
        worker.stop(timeout=5000)
    # The second of them may have found nothing else in hand.
    assert any(by_the_broker(received) for received in signer.told)


def test_a_worker_that_ends_leaves_it_to_whoever_goes_on(signer: Signer) -> None:
    worker = signer.start()
    signer.send(1)
    wait_until(lambda: len(signer.begun) == 1)
    ending = threading.Thread(target=worker.stop, kwargs={"timeout": 5000})
    ending.start()
    wait_until(lambda: not worker.workers[0].running)
    signer.go_on.set()
    ending.join()
    assert signer.told == []
    wait_until(lambda: signer.lying(TRANSMIT) == 1)
