"""The gate on real RabbitMQ: what is refused lies in the dead letters with its reason, and no more."""

import secrets
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pika
import pytest

from pipeline.actors.bind import bind
from pipeline.actors.patience import Patience
from pipeline.broker.connect import connect
from pipeline.broker.publisher import open_publisher
from pipeline.broker.refusals import Refusals
from pipeline.broker.send import sender
from pipeline.crypto.envelope import Received
from pipeline.errors import BrokerUnavailable
from pipeline.messages import MAX_MESSAGE_BYTES, SubmissionBatch, WakeUp
from pipeline.run.worker import is_alive, start_worker
from pipeline.stages import POLICY, SIGN, Role
from tests.attacks import dead_letters
from tests.servers import RabbitMQ
from tests.unit.crypto.message_world import SIGNER, WEB, MessageWorld
from tests.waiting import wait_until


class Gate:
    """A signer side on a vhost of its own, that notes what its stages receive."""

    def __init__(self, url: str, world: MessageWorld) -> None:
        self.url = url
        self.world = world
        self.received: list[Received] = []
        self.refusals = Refusals()
        self.signer = connect(url, world.envelope(world.identity(SIGNER)), self.refusals)
        self.web = connect(url, world.envelope(world.identity(WEB)), Refusals())
        for stage in (POLICY, SIGN):
            bind(self.signer, stage, self.received.append, Patience())
        trust = self.signer.gate.envelope.trust
        assert trust is not None
        trust.refresh()
        self.worker = start_worker(self.signer, Role.SIGNER, 1)
        self.publisher = open_publisher(url)
        self._greet()

    def dead_letters(self, queue: str, count: int = 0) -> list[tuple[str, bytes]]:
        """Take all there are, when there are so many: each is counted before it gets there."""
        found: list[tuple[str, bytes]] = []

        def are_there() -> bool:
            found.extend(dead_letters.take(self.url, queue))
            return len(found) >= count

        wait_until(are_there)
        return found

    def close(self) -> None:
        self.worker.stop(timeout=5000)
        self.publisher.close()
        self.web.close()
        self.signer.close()

    def _greet(self) -> None:
        """Send each queue one message, as soon as it is declared: each in its own time."""
        name = "01890000-0000-7000-8000-000000000001"
        wake_up = self.signer.gate.envelope.seal(name, SIGN, WakeUp())
        submissions = self.web.gate.envelope.seal(name, POLICY, SubmissionBatch())
        for stage, octets in ((SIGN, wake_up), (POLICY, submissions)):
            wait_until(partial(self._is_taken, stage.queue, octets))

    def _is_taken(self, queue: str, octets: bytes) -> bool:
        try:
            self.publisher.publish(queue, octets)
        except BrokerUnavailable:
            return False
        return True


@pytest.fixture
def gate(rabbitmq: RabbitMQ, tmp_path: Path) -> Iterator[Gate]:
    vhost = f"gate-{secrets.token_hex(4)}"
    rabbitmq.add_vhost(vhost)
    made = Gate(rabbitmq.url(vhost=vhost), MessageWorld(tmp_path / "trusted"))
    yield made
    made.close()
    rabbitmq.delete_vhost(vhost)


def test_each_refused_message_is_dead_lettered_with_its_reason_and_the_next_is_processed(
    gate: Gate,
) -> None:
    wait_until(lambda: len(gate.received) == 2)
    envelope = gate.web.gate.envelope
    good = envelope.seal("01890000-0000-7000-8000-000000000002", POLICY, SubmissionBatch())
    spoilt = good[:-8] + b"AAAAAAAA"
    attacks = [
        (POLICY.queue, b"", "not-a-jws"),
        (POLICY.queue, b"rubbish", "not-a-jws"),
        (POLICY.queue, spoilt, "bad-signature"),
        (SIGN.queue, good, "wrong-queue"),
        (POLICY.queue, b"x" * (MAX_MESSAGE_BYTES + 1), "too-large"),
    ]
    for queue, octets, _ in attacks:
        gate.publisher.publish(queue, octets)
    sender(gate.web)(SIGN, WakeUp())
    gate.publisher.publish(POLICY.queue, good)

    wait_until(lambda: len(gate.received) == 3)
    wait_until(lambda: gate.refusals.counts.total() == len(attacks) + 1)
    for_policy = [(reason, octets) for queue, octets, reason in attacks if queue == POLICY.queue]
    assert sorted(gate.dead_letters(POLICY.queue, len(for_policy))) == sorted(for_policy)
    assert sorted(reason for reason, _ in gate.dead_letters(SIGN.queue, 2)) == [
        "sender-not-admitted",
        "wrong-queue",
    ]
    assert is_alive(gate.worker)


def test_wake_ups_do_not_pile_up_while_their_worker_is_away(gate: Gate) -> None:
    wait_until(lambda: len(gate.received) == 2)
    gate.worker.stop(timeout=5000)
    sent = sender(gate.signer)
    for _ in range(150):
        sent(SIGN, WakeUp())

    with pika.BlockingConnection(pika.URLParameters(gate.url)) as connection:
        channel = connection.channel()
        declared = channel.queue_declare(SIGN.queue, passive=True)
        assert declared.method.message_count == 100
    assert gate.dead_letters(SIGN.queue) == []


def test_a_sender_declares_nothing(gate: Gate) -> None:
    with pytest.raises(BrokerUnavailable):
        gate.publisher.publish("signer.transmit", b"x")

    with (
        pika.BlockingConnection(pika.URLParameters(gate.url)) as connection,
        pytest.raises(pika.exceptions.ChannelClosedByBroker),
    ):
        connection.channel().queue_declare("signer.transmit", passive=True)
