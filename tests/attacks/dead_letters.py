"""The dead letters that lie on RabbitMQ."""

import pika

from pipeline.broker.rabbitmq import REASON


def take(url: str, queue: str) -> list[tuple[str, bytes]]:
    """Take all dead letters of a queue, as (reason, octets)."""
    found: list[tuple[str, bytes]] = []
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        while True:
            method, properties, octets = channel.basic_get(f"{queue}.XQ", auto_ack=True)
            if method is None or properties is None or octets is None:
                return found
            found.append((str((properties.headers or {}).get(REASON)), octets))
