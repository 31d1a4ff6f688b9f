"""A message that does no harm, to see whether the broker takes one."""

import uuid

from pipeline.broker.publisher import Publisher
from pipeline.clock import now
from pipeline.crypto import identity
from pipeline.crypto.envelope import Envelope
from pipeline.crypto.trust import Trust
from pipeline.errors import BrokerUnavailable
from pipeline.messages import WakeUp
from pipeline.stages import RELAY
from tests.chaos.ground import Ground


def wake_up(ground: Ground) -> bytes:
    """Return a genuine message, by which nothing is refused."""
    folder = ground.directory / "web"
    me = identity.load(folder / "message.pem", folder / "message.key")
    envelope = Envelope(me, Trust(folder / "trusted"), now)
    return envelope.seal(str(uuid.uuid4()), RELAY, WakeUp())


def publish(publisher: Publisher, octets: bytes) -> str:
    """Publish by a connection that is open; return why that was given up."""
    try:
        publisher.publish(RELAY.queue, octets)
    except BrokerUnavailable as error:
        return str(error)
    return ""
