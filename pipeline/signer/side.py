"""What the signer side's actors and clock work with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection, select

from pipeline.broker.send import Send
from pipeline.clock import Clock
from pipeline.crypto import expiry
from pipeline.crypto.trust import Trust
from pipeline.database.advance import Move
from pipeline.database.engine import AnyRow, Database
from pipeline.database.tries import Tries
from pipeline.digest import Approvable
from pipeline.messages import clip
from pipeline.signer.issuers import Issuers
from pipeline.signer.mark import Mark
from pipeline.signer.policy import Policy
from pipeline.signer.tables import requests, tries
from pipeline.states import State
from settings.signer import SignerSettings


@dataclass(frozen=True, slots=True)
class SignerSide:
    """The seams of the signer side: a simulation replaces each.

    ``random`` returns so many random bytes; ``policy`` returns the policy in force; ``mark``
    remembers outside the database what was issued; ``trust`` says which approvers count;
    ``certificates`` returns those of our own whose end the clock watches. ``begun`` are the attempts
    that this process has on record in ``tries``, and survives.
    """

    database: Database
    send: Send
    settings: SignerSettings
    now: Clock
    random: Callable[[int], bytes]
    policy: Callable[[], Policy]
    issuers: Issuers
    mark: Mark
    trust: Trust
    certificates: expiry.Certificates = expiry.nothing
    begun: dict[str, int] = field(default_factory=dict)

    @property
    def tries(self) -> Tries:
        """The attempts at what may have killed a worker."""
        return Tries(self.database, tries, self.now, self.settings.worker.max_attempts, self.begun)


class Standing(Protocol):
    """A request as it was read, or has been held."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def state(self) -> str:
        """The state in which it was."""

    @property
    def revision(self) -> int:
        """The revision that it had."""


def move(
    row: AnyRow | Standing,
    target: State,
    now: datetime,
    *,
    reason: str = "",
    tell_at: datetime | None = None,
    expires_at: datetime | None = None,
    remind_at: datetime | None = None,
    details: Mapping[str, Any] | None = None,
) -> Move:
    """Return the move of a request (read with ``id``, ``state``, ``revision``) to ``target``.

    The web side is to be told at once, or at ``tell_at`` by whoever else holds the row until then;
    `sign` may take at once what waits for it.
    """
    values = {
        "reason": clip(reason),
        "tell_at": tell_at or now,
        "attempts": 0,
        "next_attempt_at": now if target is State.WAITING_FOR_SIGNATURE else None,
        "expires_at": expires_at,
        "remind_at": remind_at,
    }
    shown = dict(details or {}) | ({"reason": reason} if reason else {})
    return Move(row.id, State(row.state), target, row.revision, values=values, details=shown)


def hold(connection: Connection, request_id: str) -> None:
    """Lock a request until the transaction ends: whoever decides on it goes one after the other.

    What belongs to it is read by a statement of its own after this one. PostgreSQL reads a row anew
    that it had to wait for, but not the rows of other tables that it was joined with: these would be
    as they were before, and an approval of that would count for what they are now.
    """
    connection.execute(select(requests.c.id).where(requests.c.id == request_id).with_for_update())


def approvable(row: AnyRow) -> Approvable:
    """Return what a decision on a request (read with its submission) is about."""
    return Approvable(
        request_id=row.id,
        csr=row.csr,
        requester=row.requester,
        profile=row.profile,
        rule=row.rule,
        issuer=row.issuer,
    )
