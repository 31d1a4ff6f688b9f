"""Every attack of ``tests/attacks`` on both consumers: refused for its very reason, and no harm done.

Before each attack its unspoilt twin is accepted and takes effect, so that nothing is refused for
another reason; after it the genuine message from which the attack was made is.
"""

import secrets
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pika
import pytest
from sqlalchemy import func, select

from pipeline.broker.memory import MAX_DEAD_LETTERS
from pipeline.broker.rabbitmq import DEAD_LETTERS
from pipeline.broker.refusals import QUIET_TIME
from pipeline.messages import SubmissionBatch
from pipeline.signer.tables import audit
from pipeline.stages import POLICY, STAGES
from pipeline.states import State
from settings.common import EMBEDDED
from tests import factories
from tests.attacks.attack import Attack, Vain
from tests.attacks.ground import Ground
from tests.attacks.table import AT_THE_GATE, BEHIND_THE_GATE
from tests.attacks.tally import CONSUMERS, TALLY, Tally
from tests.servers import RabbitMQ

FLOOD = 12_000
"""More than any dead letters hold."""

PORTION = 4_000
"""Less than a queue between the sides holds, so that nothing of it is pushed out."""


@pytest.fixture(scope="session")
def tally(request: pytest.FixtureRequest) -> Tally:
    """What was tried and what was refused for its reason; told at the end of the run."""
    return request.config.stash.setdefault(TALLY, Tally())


@pytest.fixture(scope="session", params=CONSUMERS)
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    """Both sides, once for all attacks on a consumer."""
    with tempfile.TemporaryDirectory(prefix="httpca-attacks-") as folder:
        directory = Path(folder) / "httpca"
        if request.param == "memory":
            with Ground(directory, EMBEDDED) as made:
                yield made
            return
        server: RabbitMQ = request.getfixturevalue("rabbitmq")
        vhost = f"attacks-{secrets.token_hex(4)}"
        server.add_vhost(vhost)
        with Ground(directory, server.url(vhost=vhost)) as made:
            yield made
        server.delete_vhost(vhost)


def consumer_of(ground: Ground) -> str:
    return "memory" if ground.publisher is None else "rabbitmq"


@pytest.mark.parametrize("attack", AT_THE_GATE, ids=lambda attack: attack.name)
def test_an_attack_is_refused_at_the_gate(attack: Attack, ground: Ground, tally: Tally) -> None:
    tally.tried[consumer_of(ground)] += 1
    ground.deliver(ground.genuine(attack.stage))
    genuine = ground.genuine(attack.stage)
    octets = attack.spoil(ground, genuine)
    for queue in STAGES:
        ground.dead_letters(queue)
    before, refused = ground.dump(), ground.refused

    ground.publish(attack.queue, octets, attack.properties)
    ground.wait(lambda: ground.refused.total() > refused.total())

    assert ground.refused - refused == {(attack.queue, attack.reason, attack.sender): 1}
    assert ground.dump() == before
    assert dead_letters(ground, attack.queue) == [(attack.reason, octets)]
    ground.deliver(genuine)
    assert ground.is_alive()
    tally.refused[consumer_of(ground)] += 1


@pytest.mark.parametrize("attack", BEHIND_THE_GATE, ids=lambda attack: attack.name)
def test_an_attack_that_the_gate_admits_changes_nothing(
    attack: Vain, ground: Ground, tally: Tally
) -> None:
    tally.tried[consumer_of(ground)] += 1
    ground.deliver(ground.genuine(attack.stage))
    octets = attack.prepare(ground)
    genuine = ground.genuine(attack.stage)
    before, traces, refused = ground.dump(), ground.traces(), ground.refused

    ground.work_off(attack.stage, octets)
    if attack.trace:  # what the sides still told each other may have been worked off before it
        ground.wait(lambda: ground.traces() != traces)

    assert ground.traces() - traces == ({attack.trace: 1} if attack.trace else {})
    assert ground.dump() == before
    ground.deliver(genuine)
    assert ground.refused == refused
    assert ground.is_alive()
    tally.refused[consumer_of(ground)] += 1


def test_one_forged_item_harms_no_other_of_its_batch(ground: Ground) -> None:
    """A CSR that its key did not sign is among good ones."""
    forged = bytearray(factories.csr(names=["DNS:forged.test"]))
    forged[-1] ^= 1
    good = [ground.submission(f"good-{number}.example.com") for number in range(3)]
    bad = ground.submission(csr=bytes(forged))

    batch = SubmissionBatch([good[0], bad, *good[1:]])
    ground.work_off(POLICY, ground.sealed(POLICY, "web", batch).octets)

    assert {ground.state(one.id) for one in good} == {State.WAITING_FOR_APPROVAL}
    assert ground.state(bad.id) == State.REJECTED
    assert ground.is_alive()


def test_properties_of_amqp_change_nothing(ground: Ground) -> None:
    """Nothing outside the signature is read: whom to reply to, when to expire, where it was before."""
    genuine = ground.genuine(POLICY)
    properties = pika.BasicProperties(
        reply_to="signer.sign",
        correlation_id="1",
        priority=255,
        expiration="3600000",
        message_id="../../etc/passwd",
        content_type="application/x-python-pickle",
        content_encoding="gzip",
        type="sign",
        app_id="signer",
        timestamp=1,
        headers={
            "x-death": [{"count": 99, "queue": "signer.sign"}],
            "CC": ["signer.sign"],
            "httpca-reason": "none",
        },
    )

    ground.publish(POLICY.queue, genuine.octets, properties)

    ground.wait(lambda: ground.has_effect(genuine))
    assert ground.is_alive()


def test_a_flood_of_bad_messages_fills_neither_the_dead_letters_nor_the_audit(
    ground: Ground,
) -> None:
    for queue in STAGES:
        ground.dead_letters(queue)
    before, audited = ground.refused.total(), _audited(ground)
    began = time.monotonic()
    for sent in range(PORTION, FLOOD + 1, PORTION):
        flood(ground, PORTION)
        ground.wait(partial(_has_refused, ground, before + sent))

    # At most one entry for each kind in QUIET_TIME.
    assert _audited(ground) - audited <= 2 + (time.monotonic() - began) / QUIET_TIME
    most = MAX_DEAD_LETTERS if ground.publisher is None else DEAD_LETTERS["x-max-length"]
    ground.wait(lambda: dead_letter_count(ground) == most)
    genuine = ground.genuine(POLICY)
    ground.deliver(genuine)
    assert ground.is_alive()


def _has_refused(ground: Ground, count: int) -> bool:
    return ground.refused.total() == count


def dead_letters(ground: Ground, queue: str) -> list[tuple[str, bytes]]:
    """Wait until a queue has dead letters, and take them."""
    found: list[tuple[str, bytes]] = []

    def some() -> bool:
        found.extend(ground.dead_letters(queue))
        return bool(found)

    ground.wait(some)
    return found


def flood(ground: Ground, count: int) -> None:
    """Publish rubbish as fast as the broker takes it."""
    if ground.publisher is None:
        for _ in range(count):
            ground.exchange.publish(POLICY.queue, b"rubbish")
        return
    with pika.BlockingConnection(pika.URLParameters(ground.url)) as connection:
        channel = connection.channel()
        for _ in range(count):
            channel.basic_publish(POLICY.queue, POLICY.queue, b"rubbish")


def dead_letter_count(ground: Ground) -> int:
    if ground.publisher is None:
        return len(ground.exchange.dead_letters)
    with pika.BlockingConnection(pika.URLParameters(ground.url)) as connection:
        declared = connection.channel().queue_declare(f"{POLICY.queue}.XQ", passive=True)
    count: int = declared.method.message_count
    return count


def _audited(ground: Ground) -> int:
    with ground.signer_database.read() as connection:
        count = connection.scalar(
            select(func.count()).select_from(audit).where(audit.c.event == "message-refused")
        )
    return count or 0
