"""The servers that the other system tests stand on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pika
import psycopg
import pytest
from sqlalchemy import create_engine, text

from tests.servers import PostgreSQL, RabbitMQ
from tests.servers.process import alive, descendants

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's user can enter; pytest's own is closed to others."""
    with tempfile.TemporaryDirectory(prefix="httpca-tests-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def publish(server: RabbitMQ, queue: str, body: bytes) -> None:
    with pika.BlockingConnection(pika.URLParameters(server.url())) as connection:
        channel = connection.channel()
        channel.queue_declare(queue, durable=True)
        channel.confirm_delivery()
        properties = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)
        channel.basic_publish("", queue, body, properties)


def consume(server: RabbitMQ, queue: str) -> bytes | None:
    with pika.BlockingConnection(pika.URLParameters(server.url())) as connection:
        _, _, body = connection.channel().basic_get(queue, auto_ack=True)
        return body


def test_postgresql_gives_back_what_it_was_given(postgresql: PostgreSQL) -> None:
    engine = create_engine(postgresql.create_database("round_trip"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE words (word text)"))
        connection.execute(text("INSERT INTO words VALUES ('kept')"))
    with engine.begin() as connection:
        assert connection.execute(text("SELECT word FROM words")).scalar_one() == "kept"
    engine.dispose()


def test_rabbitmq_gives_back_what_it_was_given(rabbitmq: RabbitMQ) -> None:
    publish(rabbitmq, "round-trip", b"kept")
    assert consume(rabbitmq, "round-trip") == b"kept"
    assert consume(rabbitmq, "round-trip") is None


def test_rabbitmq_holds_an_account_to_its_permissions(rabbitmq: RabbitMQ) -> None:
    rabbitmq.add_vhost("narrow")
    rabbitmq.add_user("sender", "secret")
    rabbitmq.set_permissions("sender", "narrow", configure="^$", write="^out$", read="^$")
    url = rabbitmq.url("sender", "secret", "narrow")
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        with pytest.raises(pika.exceptions.ChannelClosedByBroker) as refusal:
            channel.queue_declare("mine")
    assert refusal.value.reply_code == 403
    assert rabbitmq.queues("narrow") == {}


def test_postgresql_keeps_what_was_committed_before_it_was_killed() -> None:
    with PostgreSQL(password="secret") as server:
        dsn = server.url().replace("+psycopg", "")
        with psycopg.connect(dsn) as connection:
            connection.execute("CREATE TABLE words AS SELECT 'kept' AS word")
        server.kill()
        assert not server.running
        server.restart()
        with psycopg.connect(dsn) as connection:
            assert connection.execute("SELECT word FROM words").fetchone() == ("kept",)


def test_rabbitmq_keeps_what_was_confirmed_before_it_was_killed_or_restarted(
    rabbitmq: RabbitMQ,
) -> None:
    publish(rabbitmq, "lasting", b"kept")
    rabbitmq.kill()
    assert not rabbitmq.running
    rabbitmq.start()
    assert rabbitmq.queues()["lasting"] == 1
    rabbitmq.restart()
    assert consume(rabbitmq, "lasting") == b"kept"


@pytest.mark.parametrize("kind", [PostgreSQL, RabbitMQ])
def test_a_stopped_server_leaves_no_process(kind: type[PostgreSQL | RabbitMQ]) -> None:
    server = kind()
    server.start()
    started = set(server.pids)
    assert alive(started) == started
    started |= {child for pid in server.pids for child in descendants(pid)}
    server.stop()
    assert alive(started) == set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_servers_do_not_outlive_the_program_that_started_them(
    number: signal.Signals, folder: Path
) -> None:
    program = (
        "import sys, tests.servers as s; p = s.PostgreSQL(); p.start(); "
        "print(*p.pids, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        family = {pid, *descendants(pid)}
        assert alive([pid]) == {pid}
        os.kill(process.pid, number)
    wait_until_gone(family)
    if number == signal.SIGINT:
        assert list(folder.iterdir()) == []


def wait_until_gone(pids: set[int]) -> None:
    deadline = time.monotonic() + 60
    while alive(pids):
        assert time.monotonic() < deadline, f"still running: {alive(pids)}"
        time.sleep(0.05)
