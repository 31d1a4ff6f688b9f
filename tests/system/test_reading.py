"""A worker whose connections to RabbitMQ break: it says so once, goes on, and acknowledges nothing
that it has not done."""

import logging
import secrets
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pika
import pytest
from structlog.testing import capture_logs

from pipeline.actors.bind import bind
from pipeline.actors.patience import Patience
from pipeline.broker.connect import connect
from pipeline.broker.consumer import GatedBroker
from pipeline.broker.publisher import Publisher, open_publisher
from pipeline.broker.refusals import Refusals
from pipeline.crypto.envelope import Received
from pipeline.errors import BrokerUnavailable, InfrastructureError
from pipeline.messages import WakeUp
from pipeline.run.worker import start_worker
from pipeline.stages import SIGN, TRANSMIT, Role
from tests.servers import RabbitMQ
from tests.unit.crypto.message_world import SIGNER, MessageWorld
from tests.waiting import wait_until

NOT_FOR_EVER = 30.0


@pytest.fixture
def vhost(rabbitmq: RabbitMQ) -> Iterator[str]:
    name = f"reading-{secrets.token_hex(4)}"
    rabbitmq.add_vhost(name)
    yield name
    rabbitmq.delete_vhost(name)


@pytest.fixture
def url(rabbitmq: RabbitMQ, vhost: str) -> str:
    return rabbitmq.url(vhost=vhost)


def connected(url: str, folder: Path) -> GatedBroker:
    """Return a signer's broker, to which no actor is bound yet; it trusts what lies in the folder."""
    world = MessageWorld(folder / "trusted")
    broker = connect(url, world.envelope(world.identity(SIGNER)), Refusals())
    assert broker.gate.envelope.trust is not None
    broker.gate.envelope.trust.refresh()
    return broker


def sent(publisher: Publisher, octets: bytes) -> bool:
    try:
        publisher.publish(SIGN.queue, octets)
    except BrokerUnavailable:
        return False
    return True


def test_a_message_in_work_while_its_connection_breaks_comes_again_and_takes_no_other_along(
    rabbitmq: RabbitMQ, vhost: str, url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    signer = connected(url, tmp_path)
    go_on = threading.Event()
    begun: list[Received] = []
    ended: list[str] = []

    def work(received: Received) -> None:
        begun.append(received)
        go_on.wait(NOT_FOR_EVER)
        ended.append(received.id)

    bind(signer, SIGN, work, Patience())
    bind(signer, TRANSMIT, work, Patience())
    publisher = open_publisher(url)
    envelope = signer.gate.envelope
    first, second = (
        (name, envelope.seal(name, SIGN, WakeUp()))
        for name in (f"01890000-0000-7000-8000-00000000000{number}" for number in (1, 2))
    )
    with capture_logs() as logs, caplog.at_level(logging.WARNING):
        worker = start_worker(signer, Role.SIGNER, 1)
        try:
            wait_until(lambda: sent(publisher, first[1]))
            wait_until(lambda: len(begun) == 1)
            rabbitmq.ctl("close_all_connections", "--vhost", vhost, "tried by a test")
            wait_until(lambda: any(line["event"] == "reading-again" for line in logs))
            wait_until(lambda: sent(publisher, second[1]))
            go_on.set()
            wait_until(lambda: len(ended) == 3)
        finally:
            worker.stop(timeout=5000)
            publisher.close()
            signer.close()

    assert ended == [first[0], first[0], second[0]]
    assert [one.redelivered for one in begun] == [False, True, False]
    assert [line["event"] for line in logs].count("not-reading") == 1
    assert [record for record in caplog.records if record.name.startswith("dramatiq")] == []
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        queue = connection.channel().queue_declare(SIGN.queue, passive=True)
        assert queue.method.message_count == 0


def test_connections_that_break_while_a_worker_waits_leave_nothing_that_grows(
    rabbitmq: RabbitMQ, vhost: str, url: str, tmp_path: Path
) -> None:
    signer = connected(url, tmp_path)
    go_on = threading.Event()
    ended: list[str] = []

    def work(received: Received) -> None:
        go_on.wait(10 * NOT_FOR_EVER)
        ended.append(received.id)

    def reads_by_another(consumer: object) -> bool:
        return worker.consumers[SIGN.queue].consumer is not consumer

    bind(signer, SIGN, work, Patience())
    publisher = open_publisher(url)
    names = [f"01890000-0000-7000-8000-00000000000{number}" for number in range(4)]
    octets = [signer.gate.envelope.seal(name, SIGN, WakeUp()) for name in names]
    worker = start_worker(signer, Role.SIGNER, 1)
    try:
        wait_until(lambda: sent(publisher, octets[0]))
        assert all(sent(publisher, one) for one in octets[1:])
        for _ in range(2):
            wait_until(lambda: worker.work_queue.qsize() >= worker.queue_prefetch - 1)
            reading = worker.consumers[SIGN.queue].consumer
            rabbitmq.ctl("close_all_connections", "--vhost", vhost, "tried by a test")
            wait_until(partial(reads_by_another, reading))
        wait_until(lambda: worker.work_queue.qsize() == worker.queue_prefetch)
        go_on.set()
        wait_until(lambda: set(ended) == set(names))
    finally:
        go_on.set()
        worker.stop(timeout=5000)
        publisher.close()
        signer.close()

    # What was in hand when its connection broke was done, and came again.
    assert sorted(ended) == sorted([names[0], *names])


def test_a_message_that_waits_when_its_worker_ends_is_there_for_the_next_one(
    url: str, tmp_path: Path
) -> None:
    signer = connected(url, tmp_path)
    stopping, begun = threading.Event(), threading.Event()

    def work(_received: Received) -> None:
        begun.set()
        raise InfrastructureError("the database is out of reach")

    bind(signer, SIGN, work, Patience(stopping))
    publisher = open_publisher(url)
    octets = signer.gate.envelope.seal("01890000-0000-7000-8000-000000000001", SIGN, WakeUp())
    worker = start_worker(signer, Role.SIGNER, 1)
    try:
        wait_until(lambda: sent(publisher, octets))
        assert begun.wait(NOT_FOR_EVER)
        stopping.set()
    finally:
        worker.stop(timeout=5000)
        publisher.close()
        signer.close()

    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        method, _, found = connection.channel().basic_get(SIGN.queue)
    assert method is not None
    assert found == octets
