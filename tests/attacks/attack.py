"""What one attack is: what the attacker has, what they send, and why it must come to nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pika

from pipeline.stages import POLICY, Stage

if TYPE_CHECKING:
    from tests.attacks.ground import Genuine, Ground

Spoil = Callable[["Ground", "Genuine"], bytes]
"""Makes the attacker's message of a genuine one that nobody has received yet."""

NOTHING = "the broker's wire"
WEB_KEY = "the web side's message key"
SIGNER_KEY = "the signer's message key"
APPROVER_KEY = "an approver's message key"
CA_KEY = "the message CA's key"
ISSUED = "certificates that the CA issued to them"
"""What an attacker can have. Each of them can also publish to every queue."""


@dataclass(frozen=True, slots=True)
class Attack:
    """A message that the gate must refuse.

    ``stage`` carries the genuine message; the attack is put on ``queue``, which is that of the stage
    unless given. It must be dead-lettered for ``reason`` and counted under ``sender``.
    """

    name: str
    has: str
    spoil: Spoil
    reason: str
    sender: str = "unknown"
    stage: Stage = POLICY
    put_on: Stage | None = None
    properties: pika.BasicProperties | None = None

    @property
    def queue(self) -> str:
        """The queue that the attacker puts the message on."""
        return (self.put_on or self.stage).queue


@dataclass(frozen=True, slots=True)
class Vain:
    """A message that the gate admits, since an admitted sender signed it, and that must do nothing.

    ``prepare`` brings the ground into the state that the attacker needs and returns their message.
    ``trace`` is what the side notes of it: an event of the audit table, or the effect of a decision;
    empty when there is nothing to note, since the message only repeats what is known.
    """

    name: str
    has: str
    stage: Stage
    prepare: Callable[[Ground], bytes]
    trace: str
