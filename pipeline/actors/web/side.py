"""What the web side's actors and clock work with."""

from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline.broker.send import Send
from pipeline.clock import Clock
from pipeline.crypto import expiry
from pipeline.database.engine import Database
from pipeline.database.tries import Tries
from pipeline.web.tables import tries
from settings.web import WebSettings


@dataclass(frozen=True, slots=True)
class WebSide:
    """The seams of the web side: a simulation replaces each.

    ``delivered`` is called after a commit that web processes may be waiting for; ``certificates``
    returns those of our own whose end the clock watches; ``begun`` are the attempts that this
    process has on record in ``tries``, and survives.
    """

    database: Database
    send: Send
    settings: WebSettings
    now: Clock
    delivered: Callable[[], None]
    certificates: expiry.Certificates = expiry.nothing
    begun: dict[str, int] = field(default_factory=dict)

    @property
    def tries(self) -> Tries:
        """The attempts at what may have killed a worker."""
        return Tries(self.database, tries, self.now, self.settings.worker.max_attempts, self.begun)
