"""The stage table: every stage, its queue, its side, and who may send to it.

A stage of the other side is addressed through this table and never imported. What a stage carries
stands in ``pipeline.messages``.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """Who a message certificate speaks for."""

    WEB = "web"
    SIGNER = "signer"
    APPROVER = "approver"


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the pipeline: a Dramatiq actor on a queue of its own.

    ``priority`` orders what a worker thread takes next among the messages that it has already
    received; the lower number goes first (as in Dramatiq).
    """

    name: str
    side: Role
    senders: frozenset[Role]
    priority: int = 10

    @property
    def queue(self) -> str:
        """The queue that this stage reads: ``SIDE.STAGE``."""
        return f"{self.side}.{self.name}"


RELAY: Final = Stage("relay", Role.WEB, frozenset({Role.WEB}))
POLICY: Final = Stage("policy", Role.SIGNER, frozenset({Role.WEB}))
DECIDE: Final = Stage("decide", Role.SIGNER, frozenset({Role.APPROVER}), priority=0)
SIGN: Final = Stage("sign", Role.SIGNER, frozenset({Role.SIGNER}))
TRANSMIT: Final = Stage("transmit", Role.SIGNER, frozenset({Role.SIGNER}))
DELIVER: Final = Stage("deliver", Role.WEB, frozenset({Role.SIGNER}))

STAGES: Final = {stage.queue: stage for stage in (RELAY, POLICY, DECIDE, SIGN, TRANSMIT, DELIVER)}
"""Every stage by the name of its queue."""


def stages_of(side: Role) -> tuple[Stage, ...]:
    """Return the stages that run on a side."""
    return tuple(stage for stage in STAGES.values() if stage.side is side)
