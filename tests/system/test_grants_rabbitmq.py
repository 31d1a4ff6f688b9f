"""What each account may do on RabbitMQ, tried on the server: each role, each operation, each name."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pika
import pika.exceptions
import pytest

from tests.system.guarded import Guarded
from tests.system.tally import Tally, counted

STAGES = {
    "web": ("web.relay", "web.deliver"),
    "signer": ("signer.policy", "signer.decide", "signer.sign", "signer.transmit"),
}
NAMES = [name + end for stages in STAGES.values() for name in stages for end in ("", ".XQ")]
OTHERS = ["amq.direct", "amq.topic", "amq.fanout", "mine", "web.relay.more", "more.signer.decide"]

FOLDERS = {"web": "web", "signer": "signer", "approver": "approvers/approver"}


def _own(side: str) -> set[str]:
    return {name + end for name in STAGES.get(side, ()) for end in ("", ".XQ")}


# Said here once more, and not taken from the stage table, so that no change of it passes unseen.
WRITES = {
    "web": _own("web") | {"signer.policy"},
    "signer": _own("signer") | {"web.deliver"},
    "approver": {"signer.decide"},
}
READS = {"web": _own("web"), "signer": _own("signer"), "approver": set[str]()}
CONFIGURES = READS

Operation = Callable[[Any, str], object]

OPERATIONS: dict[str, tuple[dict[str, set[str]], Operation]] = {
    "publish to": (WRITES, lambda channel, name: _publish(channel, name)),
    "publish with a forged account to": (
        {role: set[str]() for role in FOLDERS},
        lambda channel, name: _publish(channel, name, user="guest"),
    ),
    "read from": (READS, lambda channel, name: channel.basic_get(name)),
    "consume from": (READS, lambda channel, name: channel.basic_consume(name, print)),
    "declare the exchange": (
        CONFIGURES,
        lambda channel, name: channel.exchange_declare(name, "direct", durable=True),
    ),
    "declare the queue": (
        CONFIGURES,
        lambda channel, name: channel.queue_declare(name, durable=True),
    ),
    "delete the exchange": (CONFIGURES, lambda channel, name: channel.exchange_delete(name)),
    "delete the queue": (CONFIGURES, lambda channel, name: channel.queue_delete(name)),
    "purge": (READS, lambda channel, name: channel.queue_purge(name)),
    "listen to (bind the exchange)": (
        READS,
        lambda channel, name: channel.exchange_bind("web.relay", name, name),
    ),
    "unbind": (READS, lambda channel, name: channel.queue_unbind(name, name, name)),
}


def _publish(channel: Any, name: str, user: str | None = None) -> None:
    channel.confirm_delivery()
    channel.basic_publish(name, name, b"tried", pika.BasicProperties(user_id=user))


@pytest.fixture(scope="module")
def tally(pytestconfig: pytest.Config) -> Iterator[Tally]:
    with counted("RabbitMQ", len(FOLDERS), pytestconfig) as found:
        yield found


@contextmanager
def connected(guarded: Guarded, role: str) -> Iterator[pika.BlockingConnection]:
    parameters = pika.URLParameters(guarded.settings(FOLDERS[role])["broker"])
    connection = pika.BlockingConnection(parameters)
    try:
        yield connection
    finally:
        connection.close()


def may(connection: pika.BlockingConnection, operation: Operation, name: str) -> bool:
    """Try an operation on a channel of its own; return whether the account's rights allow it."""
    channel = connection.channel()
    try:
        operation(channel, name)
    except pika.exceptions.ChannelClosedByBroker as error:
        if error.reply_code == 403:
            return False
        if error.reply_code in (404, 405, 406):  # it was allowed to hear of what else is wrong
            return error.reply_code != 406 or "user_id" not in error.reply_text
        raise
    channel.close()
    return True


@pytest.fixture
def _queues(guarded: Guarded) -> None:
    """Declare what both sides' workers declare, each with its own account."""
    for side, names in STAGES.items():
        with connected(guarded, side) as connection:
            channel = connection.channel()
            for name in names:
                for one in (name, f"{name}.XQ"):
                    channel.exchange_declare(one, "direct", durable=True)
                    channel.queue_delete(one)  # what another test left in it, and its arguments
                    channel.queue_declare(one, durable=True)
                    channel.queue_bind(one, one, one)


@pytest.mark.usefixtures("_queues")
@pytest.mark.parametrize("role", FOLDERS)
@pytest.mark.parametrize("what", OPERATIONS)
def test_an_account_may_do_what_its_role_needs_and_nothing_else(
    what: str, role: str, guarded: Guarded, tally: Tally
) -> None:
    allowed, operation = OPERATIONS[what]
    with connected(guarded, role) as connection:
        for name in NAMES + OTHERS:
            expected = name in allowed[role]
            if what.startswith("listen") and role != "web":
                expected = False  # the queue's side is not theirs either
            found = may(connection, operation, name)
            tally.note(f"{role}: {what} {name}", expected=expected, found=found)
    tally.judge()


@pytest.mark.usefixtures("_queues")
@pytest.mark.parametrize("role", FOLDERS)
def test_the_default_exchange_is_no_way_round(role: str, guarded: Guarded, tally: Tally) -> None:
    with connected(guarded, role) as connection:
        for name in NAMES:

            def by_default(channel: Any, name: str) -> None:
                channel.confirm_delivery()
                channel.basic_publish("", name, b"tried")

            found = may(connection, by_default, name)
            tally.note(f"{role}: publish by default to {name}", expected=False, found=found)
    tally.judge()


@pytest.mark.usefixtures("_queues")
@pytest.mark.parametrize("role", ["web", "signer"])
def test_dead_letters_are_no_way_round(role: str, guarded: Guarded, tally: Tally) -> None:
    with connected(guarded, role) as connection:
        for target in NAMES:

            def with_dead_letters(channel: Any, target: str) -> None:
                own = STAGES[role][0]
                arguments = {"x-dead-letter-exchange": target}
                channel.queue_delete(own)
                channel.queue_declare(own, durable=True, arguments=arguments)

            found = may(connection, with_dead_letters, target)
            expected = target in WRITES[role]
            tally.note(f"{role}: dead-letter to {target}", expected=expected, found=found)
    tally.judge()


@pytest.mark.usefixtures("_queues")
def test_what_was_sent_to_the_other_side_stays_where_it_is(guarded: Guarded) -> None:
    with connected(guarded, "web") as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("signer.policy", "signer.policy", b"one", mandatory=True)
        for what in ("read from", "purge", "delete the queue", "delete the exchange", "unbind"):
            assert not may(connection, OPERATIONS[what][1], "signer.policy"), what
    with connected(guarded, "signer") as connection:
        _, _, octets = connection.channel().basic_get("signer.policy", auto_ack=True)
    assert octets == b"one"


@pytest.mark.parametrize("role", FOLDERS)
def test_no_account_gets_into_another_vhost(role: str, guarded: Guarded, tally: Tally) -> None:
    parameters = pika.URLParameters(guarded.settings(FOLDERS[role])["broker"])
    parameters.virtual_host = "/"
    with pytest.raises(pika.exceptions.ProbableAccessDeniedError, match="access to vhost '/' ref"):
        pika.BlockingConnection(parameters)
    tally.note(f"{role}: another vhost", expected=False, found=False)


@pytest.mark.parametrize("folder", ["web-http", "web-operator", "signer-reader"])
def test_who_has_nothing_to_do_with_the_broker_has_no_account_on_it(
    folder: str, guarded: Guarded
) -> None:
    assert "broker" not in guarded.settings(folder)
    assert not (guarded.directory / folder / "message.key").exists()


def test_nobody_has_more_than_an_account_s_rights(guarded: Guarded) -> None:
    users = guarded.rabbitmq.ctl("list_users", "--no-table-headers").splitlines()
    mine = [line.split("\t") for line in users if line.startswith(guarded.prefix)]
    assert sorted(name for name, _ in mine) == [
        f"{guarded.prefix}_{name}" for name in ("approver_approver", "signer", "web_worker")
    ]
    assert {tags for _, tags in mine} == {"[]"}
