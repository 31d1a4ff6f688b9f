"""Operators see what was refused and why, and can drop it."""

import json
import secrets

import pika
import pika.spec
import psycopg
import pytest

from pipeline.broker import dead_letters
from pipeline.broker.publisher import open_publisher
from pipeline.broker.rabbitmq import REASON, REFUSED_AT
from pipeline.errors import BrokerUnavailable
from tests.servers import RabbitMQ
from tests.servers.withholding import Withholding
from tests.system.installation import Installation, done, httpca


def test_refused_messages_are_listed_shown_and_dropped(installation: Installation) -> None:
    side = installation.directory / "signer"
    publisher = open_publisher(installation.broker)
    for octets in (b"rubbish", b"e30.e30.e30"):
        publisher.publish("signer.policy", octets)
    publisher.close()

    while len(found := _list(installation)) < 2:
        pass
    assert sorted(letter["reason"] for letter in found) == ["bad-header", "not-a-jws"]
    assert _list(installation) == found  # looking takes nothing away

    first = found[0]
    shown = json.loads(
        done(httpca("dead-letters", "show", first["id"], "--json", "--config", side))
    )
    assert (shown["queue"], shown["claims"]) == ("signer.policy", {})
    assert shown["refused_at"]
    done(httpca("dead-letters", "drop", first["id"], "--config", side))
    assert _list(installation) == found[1:]
    assert httpca("dead-letters", "drop", first["id"], "--config", side).returncode == 3
    done(httpca("dead-letters", "drop", "--all", "--config", side))
    assert _list(installation) == []


def test_what_the_broker_s_owner_writes_into_a_dead_letter_does_not_move_the_cursor(
    installation: Installation,
) -> None:
    side = installation.directory / "signer"
    forged = pika.BasicProperties(
        headers=dict.fromkeys((REASON, REFUSED_AT), "\x1b[2J\x1b]0;x\x07")
    )
    with pika.BlockingConnection(pika.URLParameters(installation.broker)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("signer.policy.XQ", "signer.policy.XQ", b"rubbish", forged)
    (letter,) = _list(installation)

    listed = done(httpca("dead-letters", "list", "--config", side))
    shown = done(httpca("dead-letters", "show", letter["id"], "--config", side))
    done(httpca("dead-letters", "drop", "--all", "--config", side))

    assert "\x1b" not in listed + shown
    assert "[2J" in listed
    assert "[2J" in shown


def test_only_one_message_is_dropped_by_its_id_and_the_audit_says_which(
    installation: Installation,
) -> None:
    side = installation.directory / "web"
    publisher = open_publisher(installation.broker)
    for number in range(17):  # of so many ids two begin alike
        publisher.publish("web.deliver", b"rubbish %d" % number)
    publisher.close()
    while len(found := _list(installation, "web")) < 17:
        pass
    digits = [letter["id"][0] for letter in found]
    twice = next(digit for digit in digits if digits.count(digit) > 1)

    refused = httpca("dead-letters", "drop", twice, "--config", side)
    assert refused.returncode == 2
    assert f"the beginning of {digits.count(twice)} ids" in refused.stderr
    assert _list(installation, "web") == found

    done(httpca("dead-letters", "drop", found[0]["id"][:16], "--config", side))
    assert _list(installation, "web") == found[1:]
    done(httpca("dead-letters", "drop", "--all", "--config", side))
    url = installation.database_urls["web"]
    with psycopg.connect(url.replace("postgresql+psycopg:", "postgresql:", 1)) as connection:
        details = connection.execute(
            "SELECT details FROM audit WHERE event = 'dead-letters-dropped' ORDER BY id"
        ).fetchall()
    assert [one["which"] for (one,) in details] == [found[0]["id"], "all"]


def test_a_broker_that_is_lost_while_letters_are_read_is_said_to_be_out_of_reach(
    rabbitmq: RabbitMQ,
) -> None:
    vhost = f"letters-{secrets.token_hex(4)}"
    rabbitmq.add_vhost(vhost)
    url = rabbitmq.url(vhost=vhost)
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.queue_declare("signer.policy.XQ")
        channel.confirm_delivery()
        for octets in (b"rubbish", b"more of it"):
            channel.basic_publish("", "signer.policy.XQ", octets)

    def lost(_letter: dead_letters.DeadLetter) -> bool:
        rabbitmq.ctl("close_all_connections", "--vhost", vhost, "tried by a test")
        return True

    with pytest.raises(BrokerUnavailable, match=f"{rabbitmq.port} is out of reach: .*by a test"):
        dead_letters.drop(url, ["signer.policy"], lost)
    rabbitmq.delete_vhost(vhost)


def test_a_broker_that_does_not_answer_whoever_reads_letters_is_said_to_be_out_of_reach(
    rabbitmq: RabbitMQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "ANSWER", 0.5)
    with Withholding(rabbitmq.port) as way:
        way.lost = [pika.spec.Channel.OpenOk]
        url = rabbitmq.url().replace(f":{rabbitmq.port}/", f":{way.port}/")
        with pytest.raises(
            BrokerUnavailable, match=f"{way.port} is out of reach: no answer within"
        ):
            dead_letters.listed(url, ["signer.policy"], 10)


def test_one_says_which_to_drop(installation: Installation) -> None:
    refused = httpca("dead-letters", "drop", "--config", installation.directory / "signer")

    assert refused.returncode == 2
    assert "--all" in refused.stderr


def _list(installation: Installation, name: str = "signer") -> list[dict[str, str]]:
    side = installation.directory / name
    found = json.loads(done(httpca("dead-letters", "list", "--json", "--config", side)))
    letters: list[dict[str, str]] = found["dead_letters"]
    return letters
