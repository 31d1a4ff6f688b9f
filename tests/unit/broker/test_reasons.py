"""What pika raises becomes a line that says what is wrong."""

import socket

import pika
import pytest
from pika.adapters.utils.connection_workflow import AMQPConnectorException
from pika.exceptions import AMQPConnectionError, ProbableAuthenticationError

from pipeline.broker.dead_letters import listed
from pipeline.broker.publisher import open_publisher
from pipeline.broker.reasons import why
from pipeline.errors import BrokerUnavailable
from tests.servers.ports import free_port

REFUSED = "Connection refused"


def test_the_innermost_exception_says_it() -> None:
    with pytest.raises(AMQPConnectionError) as caught:
        pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", free_port()))
    assert str(caught.value) == ""
    assert why(caught.value) == REFUSED


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ProbableAuthenticationError("ACCESS_REFUSED\nand more"), "ACCESS_REFUSED"),
        (AMQPConnectionError(), "AMQPConnectionError"),
        (AMQPConnectionError(TimeoutError()), "TimeoutError"),
    ],
)
def test_what_says_nothing_is_named(error: Exception, line: str) -> None:
    assert why(error) == line


def test_a_broker_that_is_silent_is_said_to_be_that() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        parameters = pika.ConnectionParameters("127.0.0.1", silent.getsockname()[1])
        parameters.stack_timeout = 0.2
        with pytest.raises(AMQPConnectorException) as caught:
            pika.BlockingConnection(parameters)
    assert why(caught.value) == "Timeout during AMQP handshake"


def test_whoever_sends_or_looks_is_told_why_and_where() -> None:
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(BrokerUnavailable, match=f"^queue signer.policy: {REFUSED}$"):
        open_publisher(f"amqp://{address}/").publish("signer.policy", b"")
    with pytest.raises(BrokerUnavailable, match=f"{address} is out of reach: {REFUSED}$"):
        listed(f"amqp://{address}/", ["signer.policy"], 1)
