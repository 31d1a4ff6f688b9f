"""Seal a body into a signed message, and open one that arrived: every check of the design, in order.

Nothing outside the signature is read, and nothing is believed before it is verified.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeVar

import msgspec

from pipeline import messages
from pipeline.clock import Clock
from pipeline.crypto import jws
from pipeline.crypto.identity import Identity, Sender
from pipeline.crypto.trust import Trust
from pipeline.errors import MessageRefused
from pipeline.stages import STAGES, Stage

B = TypeVar("B", bound=messages.Body)

FROM_THE_FUTURE: Final = timedelta(minutes=10)
"""How far ahead of our clock a message may say that it was sent."""


@dataclass(frozen=True, slots=True)
class Received:
    """A message that passed every check.

    ``token`` is the whole signed message: the evidence that a decision keeps. ``redelivered`` is
    the broker's word that it may have been tried before; it is a hint, outside the signature. The
    representation shows neither body nor token, since Dramatiq logs it.
    """

    id: str
    stage: Stage
    body: messages.Body = field(repr=False)
    sender: Sender
    sent_at: datetime
    token: bytes = field(repr=False)
    redelivered: bool = False

    def body_as(self, kind: type[B]) -> B:
        """Return the body, which is what the stage carries.

        Raises:
            TypeError: the actor is bound to a stage that carries something else: a defect.
        """
        if not isinstance(self.body, kind):
            raise TypeError(f"{self.stage.queue} does not carry {kind.__name__}")
        return self.body


class Envelope:
    """Seals as one identity, or as the one in force, and opens by one side's trust."""

    def __init__(
        self, identity: Identity | Callable[[], Identity], trust: Trust | None, clock: Clock
    ) -> None:
        self._identity = identity if callable(identity) else lambda: identity
        self.trust = trust
        self.clock = clock

    @property
    def identity(self) -> Identity:
        """What is sealed with now."""
        return self._identity()

    def seal(self, message_id: str, stage: Stage, body: messages.Body) -> bytes:
        """Return the signed message that carries ``body`` to ``stage``."""
        payload = messages.Payload(
            v=messages.VERSION,
            id=message_id,
            stage=stage.name,
            queue=stage.queue,
            sent_at=self.clock(),
            body=msgspec.Raw(messages.write(body)),
        )
        me = self.identity
        return jws.sign(messages.write(payload), me.private_key, me.certificate.thumbprint)

    def open(self, octets: bytes, queue: str, *, redelivered: bool = False) -> Received:
        """Check a message that was read from ``queue`` and return it.

        Raises:
            MessageRefused: a check failed; its ``reason`` says which.
        """
        if self.trust is None:
            raise MessageRefused("nobody-is-trusted-here")
        if len(octets) > messages.MAX_MESSAGE_BYTES:
            raise MessageRefused("too-large")
        token = jws.parse(octets)
        now = self.clock()
        certificate = self.trust.accept(token.header.thumbprint, now)
        sender = certificate.sender
        try:
            jws.verify(token, certificate.key)
            payload = messages.read(messages.Payload, token.payload)
            stage = _check_address(payload, queue)
            if sender.role not in stage.senders:
                raise MessageRefused("sender-not-admitted")
            if payload.sent_at > now + FROM_THE_FUTURE:
                raise MessageRefused("from-the-future")
            body = messages.read(messages.CARRIES[queue], payload.body)
        except MessageRefused as refused:
            raise MessageRefused(refused.reason, sender.name) from refused
        return Received(payload.id, stage, body, sender, payload.sent_at, octets, redelivered)


def _check_address(payload: messages.Payload, queue: str) -> Stage:
    if payload.v not in messages.READABLE_VERSIONS:
        raise MessageRefused("unknown-version")
    if payload.queue != queue:
        raise MessageRefused("wrong-queue")
    stage = STAGES.get(queue)
    if stage is None or stage.name != payload.stage:
        raise MessageRefused("wrong-stage")
    return stage
