"""Look at dead letters on RabbitMQ, and drop them.

A dead letter is what arrived on one of a side's queues and was refused. Nothing here verifies it:
what it says of itself is a claim, shown as one.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pika
import pika.exceptions

from pipeline.broker.limit import TROUBLE, close, limit
from pipeline.broker.publisher import ANSWER, connection_parameters
from pipeline.broker.rabbitmq import REASON, REFUSED_AT
from pipeline.broker.reasons import why
from pipeline.crypto import jws
from pipeline.errors import BrokerUnavailable, MessageRefused


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One refused message. ``id`` is the SHA-256 of its octets (hex)."""

    id: str
    queue: str
    reason: str
    refused_at: str
    octets: bytes = field(repr=False)

    @property
    def claims(self) -> dict[str, Any]:
        """What the message says of itself, unverified; empty when it cannot be read."""
        try:
            payload = msgspec.json.decode(jws.parse(self.octets).payload)
        except (MessageRefused, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return {}
        return payload if isinstance(payload, dict) else {}


def listed(url: str, queues: Sequence[str], limit: int) -> list[DeadLetter]:
    """Return the oldest dead letters of some queues, at most ``limit`` of each; all stay.

    Raises:
        BrokerUnavailable: the broker is out of reach.
    """
    found = []
    with _channel(url) as channel:
        for queue in queues:
            for number, (letter, _) in enumerate(_letters(channel, queue)):
                if number == limit:
                    break
                found.append(letter)
    return found  # closing the channel puts back what was not acknowledged


def drop(url: str, queues: Sequence[str], wanted: Callable[[DeadLetter], bool]) -> int:
    """Remove the dead letters that are ``wanted`` gone; return how many were.

    Raises:
        BrokerUnavailable: the broker is out of reach.
    """
    count = 0
    with _channel(url) as channel:
        for queue in queues:
            for letter, tag in _letters(channel, queue):
                if wanted(letter):
                    channel.basic_ack(tag)
                    count += 1
    return count


def _letters(channel: Any, queue: str) -> Iterator[tuple[DeadLetter, int]]:
    """Take the dead letters of a queue one by one; those not acknowledged go back."""
    while True:
        with limit(channel.connection, ANSWER):
            method, properties, octets = channel.basic_get(f"{queue}.XQ")
        if method is None:
            return
        headers = properties.headers or {}
        digest = hashlib.sha256(octets).hexdigest()
        reason, at = str(headers.get(REASON, "unknown")), str(headers.get(REFUSED_AT, ""))
        yield DeadLetter(digest, queue, reason, at, octets), method.delivery_tag


@contextmanager
def _channel(url: str) -> Iterator[Any]:
    parameters = connection_parameters(url)
    where = " and ".join(f"{one.host}:{one.port}" for one in parameters)
    try:
        connection = pika.BlockingConnection(parameters)
        try:
            with limit(connection, ANSWER):
                channel = connection.channel()
            yield channel
            with limit(connection, ANSWER):
                connection.close()  # by which the broker has read what was acknowledged
        finally:
            close(connection)
    except pika.exceptions.ChannelClosedByBroker as error:
        raise BrokerUnavailable(
            f"the broker says: {error.reply_text}; this side's worker declares its queues "
            "when it first starts"
        ) from error
    except TROUBLE as error:
        raise BrokerUnavailable(f"the broker at {where} is out of reach: {why(error)}") from error
