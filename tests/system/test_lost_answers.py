"""An answer of the broker never comes, while its heartbeats do: nobody waits for it for ever."""

import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dramatiq.worker
import pika.spec
import pytest
from pika.amqp_object import Method

from pipeline.actors.bind import bind
from pipeline.actors.patience import Patience
from pipeline.broker import rabbitmq as side_of_rabbitmq
from pipeline.broker.connect import connect
from pipeline.broker.consumer import GatedBroker
from pipeline.broker.publisher import open_publisher
from pipeline.broker.refusals import Refusals
from pipeline.crypto.envelope import Received
from pipeline.messages import WakeUp
from pipeline.run.worker import is_alive, is_connected, start_worker
from pipeline.stages import SIGN, Role
from tests.servers import RabbitMQ
from tests.servers.withholding import Withholding
from tests.unit.crypto.message_world import SIGNER, MessageWorld
from tests.waiting import wait_until

SOON = 1.0
"""Seconds that the broker is given here."""


@dataclass
class Reader:
    """A signer side whose way to RabbitMQ loses answers."""

    way: Withholding
    broker: GatedBroker
    url: str
    received: list[Received] = field(default_factory=list)

    def send(self) -> None:
        """Let a message come, by a way that loses nothing."""
        publisher = open_publisher(self.url)
        name = "01890000-0000-7000-8000-000000000001"
        publisher.publish(SIGN.queue, self.broker.gate.envelope.seal(name, SIGN, WakeUp()))
        publisher.close()


@pytest.fixture
def reader(rabbitmq: RabbitMQ, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    monkeypatch.setattr(side_of_rabbitmq, "ANSWER", SOON)
    monkeypatch.setattr(dramatiq.worker, "CONSUMER_RESTART_DELAY_SECS", 0.1)
    vhost = f"answers-{secrets.token_hex(4)}"
    rabbitmq.add_vhost(vhost)
    world = MessageWorld(tmp_path / "trusted")
    url = rabbitmq.url(vhost=vhost)
    with Withholding(rabbitmq.port) as way:
        lossy = url.replace(f":{rabbitmq.port}/", f":{way.port}/")
        broker = connect(lossy, world.envelope(world.identity(SIGNER)), Refusals())
        made = Reader(way, broker, url)
        bind(broker, SIGN, made.received.append, Patience())
        assert broker.gate.envelope.trust is not None
        broker.gate.envelope.trust.refresh()
        yield made
        broker.close()
    rabbitmq.delete_vhost(vhost)


@pytest.mark.parametrize(
    "answer",
    [
        pika.spec.Channel.OpenOk,
        pika.spec.Queue.DeclareOk,
        pika.spec.Basic.QosOk,
        pika.spec.Basic.ConsumeOk,
    ],
)
def test_a_queue_is_read_although_an_answer_was_lost(reader: Reader, answer: type[Method]) -> None:
    reader.way.lost = [answer]
    worker = start_worker(reader.broker, Role.SIGNER, 1)
    try:
        wait_until(lambda: reader.way.lost == [] and is_connected(worker))
        reader.send()
        wait_until(lambda: reader.received)
        assert is_alive(worker)
    finally:
        worker.stop(timeout=5000)


@pytest.mark.parametrize("answer", [pika.spec.Channel.CloseOk, pika.spec.Connection.CloseOk])
def test_a_worker_ends_although_nobody_answers_its_farewell(
    reader: Reader, answer: type[Method]
) -> None:
    worker = start_worker(reader.broker, Role.SIGNER, 1)
    wait_until(lambda: is_connected(worker))
    reader.send()
    wait_until(lambda: reader.received)
    reader.way.lost = [answer]
    ending = threading.Thread(target=worker.stop, kwargs={"timeout": 5000}, daemon=True)
    ending.start()
    ending.join(30)

    assert not ending.is_alive()
    assert reader.way.lost == []
