"""While a side is away, its queues on RabbitMQ stay within bounds, and who sends goes on."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pika
import pytest

from pipeline.actors.bind import bind
from pipeline.actors.patience import Patience
from pipeline.broker import rabbitmq as broker_module
from pipeline.broker.connect import connect
from pipeline.broker.publisher import open_publisher
from pipeline.broker.refusals import Refusals
from pipeline.messages import MAX_MESSAGE_BYTES
from pipeline.stages import DECIDE, DELIVER, POLICY, SIGN, Role, Stage
from settings.common import QueueType
from tests.servers import RabbitMQ
from tests.unit.crypto.message_world import SIGNER, WEB, MessageWorld

SIZE = 10_000
SENT = 40
KEPT = 10


@pytest.fixture
def vhost(rabbitmq: RabbitMQ) -> Iterator[str]:
    name = f"bounded-{secrets.token_hex(4)}"
    rabbitmq.add_vhost(name)
    yield name
    rabbitmq.delete_vhost(name)


@pytest.mark.parametrize("kind", ["classic", "quorum"])
@pytest.mark.parametrize("bound", [{"x-max-length-bytes": KEPT * SIZE}, {"x-max-length": KEPT}])
def test_what_is_too_much_goes_oldest_first_and_is_no_dead_letter_and_all_is_confirmed(
    rabbitmq: RabbitMQ,
    vhost: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: QueueType,
    bound: dict[str, int],
) -> None:
    monkeypatch.setattr(broker_module, "ACROSS", broker_module.ACROSS | bound)
    url = rabbitmq.url(vhost=vhost)
    world = MessageWorld(tmp_path / "trusted")
    signer = connect(url, world.envelope(world.identity(SIGNER)), Refusals(), queue_type=kind)
    bind(signer, POLICY, lambda _: None, Patience())
    signer.consume(POLICY.queue).close()  # declared, and nobody reads any more
    publisher = open_publisher(url)

    for number in range(SENT):
        publisher.publish(POLICY.queue, f"{number:0{SIZE}}".encode())

    publisher.close()
    signer.close()
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        found = iter(lambda: channel.basic_get(POLICY.queue), NONE)
        kept = [int(octets[-9:]) for _, _, octets in found if octets is not None]
        assert channel.basic_get(f"{POLICY.queue}.XQ") == NONE
    assert kept == list(range(SENT - KEPT, SENT))


NONE = (None, None, None)


@pytest.mark.parametrize("stage", [POLICY, DECIDE, SIGN, DELIVER])
def test_every_queue_is_declared_with_bounds(
    rabbitmq: RabbitMQ, vhost: str, tmp_path: Path, stage: Stage
) -> None:
    world = MessageWorld(tmp_path / "trusted")
    role = WEB if stage.side is Role.WEB else SIGNER
    side = connect(rabbitmq.url(vhost=vhost), world.envelope(world.identity(role)), Refusals())
    bind(side, stage, lambda _: None, Patience())
    side.consume(stage.queue).close()
    side.close()

    table = rabbitmq.ctl("list_queues", "--vhost", vhost, "--no-table-headers", "name", "arguments")
    (line,) = (line for line in table.splitlines() if line.startswith(f"{stage.queue}\t"))
    assert '{"x-overflow","drop-head"}' in line
    assert '"x-max-length"' in line
    assert "x-dead-letter" not in line
    if stage is not SIGN:
        assert f'{{"x-max-length-bytes",{64 * MAX_MESSAGE_BYTES}}}' in line
