"""Publishing to RabbitMQ with confirms, and how to connect to it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pika
import pika.exceptions
from pika.delivery_mode import DeliveryMode

from pipeline.broker.limit import TROUBLE, NoAnswer, close, limit
from pipeline.broker.properties import read_carefully
from pipeline.broker.reasons import why
from pipeline.broker.tls import url_parameters
from pipeline.errors import BrokerUnavailable

HEARTBEAT: Final = 30
"""Seconds; a dead peer is noticed after two."""

BLOCKED: Final = 30.0
"""Seconds after which a connection that the broker blocks (memory or disk alarm) is given up."""

ANSWER: Final = 10.0
"""Seconds that the broker has to confirm a message. With connecting (10 s) and the longest pause
(5 s) still less than leases last, which are extended between two tries."""

SILENT: Final = (
    "the broker did not confirm a message for queue {} within {:g} s: it is frozen, has an alarm of"
    " memory or disk, or its cluster has no majority"
)


def connection_parameters(url: str) -> list[pika.URLParameters]:
    """Read broker URLs (several, for a cluster, are separated by ``;``).

    A URL may choose ``heartbeat`` and ``blocked_connection_timeout`` in its query, and the files for
    TLS: see ``pipeline.broker.tls``. Whoever is about to connect reads properties carefully from then
    on.

    Raises:
        SettingsError: a file for TLS cannot be used.
    """
    read_carefully()
    parameters = [url_parameters(one) for one in url.split(";")]
    for one in parameters:
        if one.heartbeat is None:
            one.heartbeat = HEARTBEAT
        if one.blocked_connection_timeout is None:
            one.blocked_connection_timeout = BLOCKED
        one.socket_timeout = 5.0
        one.stack_timeout = 10.0
    return parameters


class Publisher:
    """Publishes octets to queues, each confirmed by the broker; for one thread."""

    def __init__(self, parameters: Sequence[pika.URLParameters]) -> None:
        self._parameters = parameters
        self._connection: Any = None
        self._channel: Any = None

    def publish(
        self,
        queue: str,
        octets: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        durable: bool = True,
    ) -> None:
        """Publish and wait for the confirm; a connection that was lost is opened again, once.

        What is not ``durable`` the broker need not write to its disk.

        Raises:
            BrokerUnavailable: the broker is out of reach, does not answer in time, does not take
                the message, or the queue is not declared yet.
        """
        used = self._connection is not None
        try:
            self._publish(queue, octets, headers, durable=durable)
        except pika.exceptions.UnroutableError as error:
            raise BrokerUnavailable(f"queue {queue} is not declared yet") from error
        except NoAnswer as error:
            self.close()
            raise BrokerUnavailable(SILENT.format(queue, ANSWER)) from error
        except TROUBLE as error:
            self.close()
            if not used:
                raise BrokerUnavailable(f"queue {queue}: {why(error)}") from error
            self.publish(queue, octets, headers, durable=durable)

    def close(self) -> None:
        """Close the connection, if it is open."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            close(connection)

    def _publish(
        self, queue: str, octets: bytes, headers: Mapping[str, str] | None, *, durable: bool
    ) -> None:
        if self._connection is None:
            self._connection = pika.BlockingConnection(self._parameters)
        with limit(self._connection, ANSWER):
            if self._channel is None:
                channel = self._connection.channel()
                channel.confirm_delivery()
                self._channel = channel
            properties = pika.BasicProperties(
                delivery_mode=(
                    DeliveryMode.Persistent if durable else DeliveryMode.Transient
                ).value,
                content_type="application/jose",
                headers=dict(headers) if headers else None,
            )
            self._channel.basic_publish(queue, queue, octets, properties, mandatory=True)


def open_publisher(url: str) -> Publisher:
    """Return a publisher; it connects when it first publishes."""
    return Publisher(connection_parameters(url))
