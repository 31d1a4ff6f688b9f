"""What the web side's actors and clock work with."""

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.broker.send import Send
from pipeline.clock import Clock
from pipeline.crypto import expiry
from pipeline.database.engine import Database
from settings.web import WebSettings


@dataclass(frozen=True, slots=True)
class WebSide:
    """The seams of the web side: a simulation replaces each.

    ``delivered`` is called after a commit that web processes may be waiting for; ``certificates``
    returns those of our own whose end the clock watches.
    """

    database: Database
    send: Send
    settings: WebSettings
    now: Clock
    delivered: Callable[[], None]
    certificates: expiry.Certificates = expiry.nothing
