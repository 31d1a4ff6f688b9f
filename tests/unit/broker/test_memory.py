"""The in-memory broker: the same gate as RabbitMQ's consumer, with Dramatiq's own worker behind it."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import dramatiq
import pytest

from pipeline.actors.bind import bind
from pipeline.actors.patience import Patience
from pipeline.broker.connect import connect
from pipeline.broker.memory import Exchange, MemoryBroker
from pipeline.broker.refusals import Refusals
from pipeline.broker.send import sender
from pipeline.crypto.envelope import Received
from pipeline.errors import BrokerUnavailable, HttpcaError
from pipeline.messages import SubmissionBatch, WakeUp
from pipeline.run.worker import is_alive, start_worker
from pipeline.stages import POLICY, RELAY, SIGN, Role
from tests.unit.crypto.message_world import SIGNER, WEB, MessageWorld

SOON = 60.0


class Side:
    """A signer side that notes what its stages receive."""

    def __init__(self, world: MessageWorld, exchange: Exchange) -> None:
        self.refusals = Refusals()
        self.received: list[Received] = []
        self.arrived = threading.Condition()
        me = world.envelope(world.identity(SIGNER))
        self.broker = connect("memory:", me, self.refusals, exchange)
        for stage in (POLICY, SIGN):
            bind(self.broker, stage, self._note, Patience())
        self.worker: dramatiq.Worker = start_worker(self.broker, Role.SIGNER, 1)

    def _note(self, received: Received) -> None:
        with self.arrived:
            self.received.append(received)
            self.arrived.notify_all()

    def wait(self, count: int) -> None:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.received) >= count, SOON)


@pytest.fixture
def world(tmp_path: Path) -> MessageWorld:
    return MessageWorld(tmp_path / "trusted")


@pytest.fixture
def exchange() -> Exchange:
    return Exchange()


@pytest.fixture
def web(world: MessageWorld, exchange: Exchange) -> MemoryBroker:
    broker = connect("memory:", world.envelope(world.identity(WEB)), Refusals(), exchange)
    assert isinstance(broker, MemoryBroker)
    return broker


@pytest.fixture
def signer(world: MessageWorld, web: MemoryBroker, exchange: Exchange) -> Iterator[Side]:
    side = Side(world, exchange)
    yield side
    side.worker.stop(timeout=5000)


def test_a_message_goes_from_one_side_to_the_other(web: MemoryBroker, signer: Side) -> None:
    sender(web)(POLICY, SubmissionBatch())

    signer.wait(1)
    assert signer.received[0].sender == WEB


def test_what_is_refused_is_dead_lettered_and_the_next_good_message_is_processed(
    web: MemoryBroker, signer: Side, exchange: Exchange
) -> None:
    exchange.publish(POLICY.queue, b"rubbish")
    sender(web)(SIGN, WakeUp())  # the web side may not wake `sign`
    sender(web)(POLICY, SubmissionBatch())

    signer.wait(1)
    deadline = time.monotonic() + SOON
    while len(exchange.dead_letters) < 2:  # each queue is read by a thread of its own
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert [received.stage for received in signer.received] == [POLICY]
    assert sorted((queue, reason) for queue, reason, _ in exchange.dead_letters) == [
        ("signer.policy", "not-a-jws"),
        ("signer.sign", "sender-not-admitted"),
    ]
    assert signer.refusals.counts == {
        ("signer.policy", "not-a-jws", "unknown"): 1,
        ("signer.sign", "sender-not-admitted", "web"): 1,
    }
    assert is_alive(signer.worker)


def test_dead_letters_are_bounded(signer: Side, exchange: Exchange) -> None:
    from pipeline.broker.memory import MAX_DEAD_LETTERS

    for _ in range(MAX_DEAD_LETTERS + 50):
        exchange.dead_letters.append(("q", "r", b""))

    assert len(exchange.dead_letters) == MAX_DEAD_LETTERS


def test_a_queue_that_nobody_reads_yet_takes_nothing(web: MemoryBroker) -> None:
    with pytest.raises(BrokerUnavailable, match=r"signer\.policy is not declared"):
        sender(web)(POLICY, SubmissionBatch())


def test_an_actor_that_raises_leaves_its_worker_alive(
    world: MessageWorld, web: MemoryBroker, exchange: Exchange
) -> None:
    done = threading.Event()

    def work(received: Received) -> None:
        if isinstance(received.body, WakeUp):
            done.set()
            raise ZeroDivisionError

    bind(web, RELAY, work, Patience())
    worker = start_worker(web, Role.WEB, 1)
    sender(web)(RELAY, WakeUp())
    assert done.wait(SOON)
    done.clear()
    sender(web)(RELAY, WakeUp())
    assert done.wait(SOON)

    assert is_alive(worker)
    worker.stop(timeout=5000)


def test_what_was_read_ahead_is_there_again_after_a_stop(
    world: MessageWorld, web: MemoryBroker, exchange: Exchange
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work(_received: Received) -> None:
        begun.set()
        assert go_on.wait(SOON)

    bind(web, RELAY, work, Patience())
    worker = start_worker(web, Role.WEB, 1)
    for _ in range(3):
        sender(web)(RELAY, WakeUp())
    assert begun.wait(SOON)
    stopping = threading.Thread(target=worker.stop, kwargs={"timeout": 5000})
    stopping.start()
    while worker.workers[0].running:
        pass
    go_on.set()
    stopping.join(SOON)

    assert exchange.queues[RELAY.queue].qsize() == 2


def test_the_in_memory_broker_exists_only_inside_dev(world: MessageWorld) -> None:
    with pytest.raises(HttpcaError, match="amqp://"):
        connect("memory:", world.envelope(world.identity(WEB)), Refusals())
