"""How a request begins: the one story that form and API share.

Read the CSR, check what can be known here, store everything in one transaction, then notify. The
checks are a courtesy to the requester; the signer's are what counts.
"""

import threading
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final
from unicodedata import category

from pipeline.clock import Clock
from pipeline.crypto import csr as csrs
from pipeline.crypto.check import UNSUPPORTED, check_presence
from pipeline.crypto.csr import UNSUPPORTED_KEY, Csr
from pipeline.crypto.public_keys import can_be_allowed
from pipeline.crypto.visible import visible
from pipeline.database.engine import Database
from pipeline.errors import N_, Refused, RequesterError
from pipeline.states import State
from pipeline.web import idempotency, lookup
from pipeline.web.aside import aside
from pipeline.web.idempotency import Once
from pipeline.web.identifiers import request_id
from pipeline.web.intake import Intake, New
from pipeline.web.lookup import Found
from settings.web import WebSettings

LONGEST_COMMENT: Final = 2000
"""Characters."""

FEW: Final = 20
"""A call with more submissions than these lets all others go first."""

_ONE_IN_BULK: Final = threading.Lock()
"""Held while the CSRs of a call with many are read. Two such calls at a time take as long as one after
the other, since the interpreter does one thing at a time, and the first would be stored no sooner than
the second."""

_LINES: Final = str.maketrans("", "", "\r\n\t")

NO_PROFILE: Final = N_("Say which profile the certificate is to have. There are: %(profiles)s.")
UNKNOWN_PROFILE: Final = N_("There is no profile “%(profile)s”. Choose one of these: %(profiles)s.")
COMMENT_TOO_LONG: Final = N_(
    "The comment has %(count)d characters; at most %(allowed)d are stored. Shorten it."
)
COMMENT_UNPRINTABLE: Final = N_("The comment contains control characters. Remove them.")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a requester asks for. ``source`` is the door: ``web``, ``api``."""

    csr: bytes
    profile: str
    source: str
    requester: str | None = None
    comment: str = ""
    once: Once | None = None


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of it: the request; ``again`` when it had been submitted before."""

    found: Found
    again: bool = False

    @property
    def id(self) -> str:
        """The request's id."""
        return self.found.id


def submit(intake: Intake, settings: WebSettings, wish: Wish, now: Clock) -> Submitted:
    """Store a new request, or find the one that the same idempotency key made.

    Raises:
        RequesterError: what was sent cannot be read, is not allowed, or the idempotency key was
            used for something else.
    """
    (result,) = submit_all(intake, settings, [wish], now)
    if isinstance(result, RequesterError):
        raise result
    return result


def submit_all(
    intake: Intake, settings: WebSettings, wishes: Sequence[Wish], now: Clock
) -> list[Submitted | RequesterError]:
    """Store new requests by one commit; return what became of each, in their order.

    A wish that cannot be read, or is not allowed, harms no other.
    """
    recalled = [_recalled(intake.database, wish) for wish in wishes]
    in_bulk = len(wishes) > FEW
    results: list[Submitted | RequesterError] = []
    fresh = []
    with _ONE_IN_BULK if in_bulk else nullcontext():
        for wish, known in zip(wishes, recalled, strict=True):
            if known is not None:
                results.append(known)
                continue
            try:
                fresh.append(_new(wish, settings, now(), in_bulk=in_bulk))
                results.append(Submitted(_found(fresh[-1])))
            except RequesterError as error:
                results.append(error)
    try:
        intake.store(fresh)
    except idempotency.Taken:  # by the same call, sent twice at once
        return submit_all(intake, settings, wishes, now)
    return results


def _recalled(database: Database, wish: Wish) -> Submitted | RequesterError | None:
    """Return what the wish's idempotency key made before, or is refused for; None for a new wish."""
    if wish.once is None:
        return None
    try:
        return aside(partial(_known, database, wish, wish.once))
    except RequesterError as error:
        return error


def _known(database: Database, wish: Wish, once: Once) -> Submitted | None:
    with database.read() as connection:
        known = idempotency.recall(connection, wish.requester, once)
        if known is None:
            return None
        return Submitted(lookup.find(connection, known, wish.requester), again=True)


def examine(octets: bytes, profile: str, comment: str, settings: WebSettings) -> Csr:
    """Read a CSR and check what can be known on this side; return it.

    Raises:
        RequesterError: what is wrong, and what to do about it.
    """
    csr = csrs.read(octets)
    if not can_be_allowed(csr.key):
        raise Refused("key-not-allowed", UNSUPPORTED_KEY)
    if csr.unsupported_names:
        raise Refused("name-not-allowed", UNSUPPORTED, name=csr.unsupported_names[0])
    if profile not in settings.profiles_without_names:
        check_presence(csr)
    profiles = settings.profiles
    if not profile:
        raise Refused("unknown-profile", NO_PROFILE, profiles=", ".join(profiles))
    if profile not in profiles:
        shown = visible(profile, 70)
        raise Refused(
            "unknown-profile", UNKNOWN_PROFILE, profile=shown, profiles=", ".join(profiles)
        )
    if len(comment) > LONGEST_COMMENT:
        raise Refused("bad-comment", COMMENT_TOO_LONG, count=len(comment), allowed=LONGEST_COMMENT)
    if any(category(character) in {"Cc", "Cs"} for character in comment.translate(_LINES)):
        raise Refused("bad-comment", COMMENT_UNPRINTABLE)
    return csr


def _new(wish: Wish, settings: WebSettings, at: datetime, *, in_bulk: bool) -> New:
    csr = examine(wish.csr, wish.profile, wish.comment, settings)
    return New(
        id=request_id(at),
        at=at,
        requester=wish.requester,
        csr=csr.der,
        profile=wish.profile,
        source=wish.source,
        comment=wish.comment,
        once=wish.once,
        in_bulk=in_bulk,
    )


def _found(new: New) -> Found:
    """Return the request as it will be found once it is stored."""
    return Found(
        id=new.id,
        state=State.SUBMITTED,
        revision=0,
        reason="",
        requester=new.requester,
        created_at=new.at,
        changed_at=new.at,
        withdrawal_wished=False,
        profile=new.profile,
        comment=new.comment,
        csr=new.csr,
    )
