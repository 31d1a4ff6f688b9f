"""The web side's stages."""

from functools import partial

from pipeline.actors.bind import bind
from pipeline.actors.patience import Patience
from pipeline.actors.web.deliver import deliver
from pipeline.actors.web.relay import relay
from pipeline.actors.web.side import WebSide
from pipeline.broker.consumer import GatedBroker
from pipeline.stages import DELIVER, RELAY


def bind_web(broker: GatedBroker, side: WebSide, patience: Patience) -> None:
    """Declare the web side's actors on its broker."""
    bind(broker, RELAY, partial(relay, side, patience), patience)
    bind(broker, DELIVER, partial(deliver, side), patience)
