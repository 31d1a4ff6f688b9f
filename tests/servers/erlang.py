"""What RabbitMQ's own package brings: its commands, and the Erlang that they run on."""

from __future__ import annotations

from pathlib import Path

from tests.servers.process import ServerError

SCRIPTS = "rabbitmq/lib/rabbitmq_server-*/sbin"

# One scheduler each, asleep when there is nothing to do: tests have few cores.
FRUGAL = "+S 1:1 +SDcpu 1:1 +SDio 1 +A 1 +sbwt none +sbwtdcpu none +sbwtdio none"
ON_LOOPBACK = "-kernel inet_dist_use_interface {127,0,0,1}"


def scripts() -> Path:
    """Return the folder of RabbitMQ's own commands.

    Raises:
        ServerError: RabbitMQ is not installed.
    """
    found = sorted(Path("/usr/lib").glob(SCRIPTS))
    if not found:
        raise ServerError("RabbitMQ is not installed: apt-get install rabbitmq-server")
    return found[-1]


def epmd() -> Path:
    """Return Erlang's name server, which comes with RabbitMQ.

    Raises:
        ServerError: Erlang is not installed.
    """
    found = [*Path("/usr/lib/erlang").glob("erts-*/bin/epmd")]
    if not found:
        raise ServerError("Erlang is not installed: apt-get install rabbitmq-server")
    return found[-1]
