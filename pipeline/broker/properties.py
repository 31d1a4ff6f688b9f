"""Read the properties of AMQP messages without breaking on them.

A message may carry headers that RabbitMQ passes on and pika cannot decode (a time beyond the year
9999, tables nested hundreds of levels deep). Pika then drops the connection with the message
unacknowledged, which so comes again, and nothing behind it is ever read: one such message would
stop a queue. Of what arrives on a side's queues no property is read at all.
"""

import pika
import pika.spec
import structlog

log = structlog.get_logger(__name__)


class CarefulProperties(pika.BasicProperties):
    """Properties that are empty when they cannot be decoded."""

    def decode(self, encoded: bytes, offset: int = 0) -> "CarefulProperties":
        """Decode the properties in a frame, or none of them."""
        try:
            super().decode(encoded, offset)
        except Exception as error:  # noqa: BLE001 - whatever a stranger wrote there
            log.debug("properties-not-readable", error=type(error).__name__)
            self.__init__()  # type: ignore[misc]
        return self


def read_carefully() -> None:
    """Let every connection of this process read properties so."""
    pika.spec.props[pika.BasicProperties.INDEX] = CarefulProperties
