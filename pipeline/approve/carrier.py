"""Brings signed decisions to the broker, by a connection that is opened when first needed."""

from collections.abc import Callable
from typing import Protocol

from pipeline.errors import BrokerUnavailable
from pipeline.stages import DECIDE
from settings.approver import ApproverSettings
from settings.common import EMBEDDED


class Publisher(Protocol):
    """What is needed of the broker: publish with confirm."""

    def publish(self, queue: str, octets: bytes) -> None:
        """Publish, or raise ``BrokerUnavailable``."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class Carrier:
    """Publishes to `decide`; ``trouble`` says why the last attempt failed, and is empty otherwise.

    With no publisher nothing is sent: `httpca dev` looks into the spool by itself.
    """

    def __init__(self, connect: Callable[[], Publisher] | None) -> None:
        self._connect = connect
        self._publisher: Publisher | None = None
        self.trouble = ""

    def send(self, octets: bytes) -> bool:
        """Publish a message; return whether the broker confirmed it."""
        if self._connect is None:
            return True
        try:
            if self._publisher is None:
                self._publisher = self._connect()
            self._publisher.publish(DECIDE.queue, octets)
        except BrokerUnavailable as error:
            self.trouble = f"The broker did not take it ({error})."
            self.close()
            return False
        self.trouble = ""
        return True

    def close(self) -> None:
        """Close the connection, if there is one."""
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            publisher.close()


def carrier_of(settings: ApproverSettings) -> Carrier:
    """Return the carrier to the broker of an approver's settings."""
    if settings.broker == EMBEDDED:
        return Carrier(None)
    return Carrier(lambda: _connect(settings.broker))


def _connect(url: str) -> Publisher:
    from pipeline.broker.publisher import open_publisher  # only where there is a broker

    return open_publisher(url)
