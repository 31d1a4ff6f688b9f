"""How a request begins: the one story that form and API share.

Read the CSR, check what can be known here, store everything in one transaction, then notify. The
checks are a courtesy to the requester; the signer's are what counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from unicodedata import category

import structlog
from sqlalchemy import insert

from pipeline.clock import Clock
from pipeline.crypto import csr as csrs
from pipeline.crypto.check import NO_NAMES, ONLY_COMMON_NAME, UNSUPPORTED
from pipeline.crypto.csr import Csr
from pipeline.crypto.visible import visible
from pipeline.database.advance import admit
from pipeline.database.engine import Database
from pipeline.errors import N_, Refused
from pipeline.states import State
from pipeline.web import idempotency, tables
from pipeline.web.idempotency import Once
from pipeline.web.identifiers import request_id
from pipeline.web.notify import SUBMITTED, announce
from settings.web import WebSettings

log = structlog.get_logger(__name__)

LONGEST_COMMENT: Final = 2000
"""Characters."""

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
    """What became of it: the request's id; ``again`` when it had been submitted before."""

    id: str
    again: bool = False


def submit(database: Database, settings: WebSettings, wish: Wish, now: Clock) -> Submitted:
    """Store a new request, or find the one that the same idempotency key made.

    Raises:
        RequesterError: what was sent cannot be read, is not allowed, or the idempotency key was
            used for something else.
    """
    if wish.once is not None:
        with database.read() as connection:
            known = idempotency.recall(connection, wish.requester, wish.once)
        if known is not None:
            return Submitted(known, again=True)
    csr = examine(wish.csr, wish.profile, wish.comment, settings.profiles)
    try:
        made = _store(database, wish, csr, now)
    except idempotency.Taken:  # by the same call, sent twice at once
        return submit(database, settings, wish, now)
    announce(database, SUBMITTED)
    log.info("submitted", request_id=made, profile=wish.profile, source=wish.source)
    return Submitted(made)


def examine(octets: bytes, profile: str, comment: str, profiles: Sequence[str]) -> Csr:
    """Read a CSR and check what can be known on this side; return it.

    Raises:
        RequesterError: what is wrong, and what to do about it.
    """
    csr = csrs.read(octets)
    if csr.unsupported_names:
        raise Refused("name-not-allowed", UNSUPPORTED, name=csr.unsupported_names[0])
    if not csr.names:
        if csr.common_name:
            raise Refused("no-names", ONLY_COMMON_NAME, name=visible(csr.common_name, 70))
        raise Refused("no-names", NO_NAMES)
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


def _store(database: Database, wish: Wish, csr: Csr, now: Clock) -> str:
    at = now()
    made = request_id(at)
    request = {
        "id": made,
        "state": State.SUBMITTED,
        "revision": 0,
        "requester": wish.requester,
        "next_attempt_at": at,
    }
    submission = {
        "request_id": made,
        "csr": csr.der,
        "profile": wish.profile,
        "source": wish.source,
        "comment": wish.comment,
    }
    with database.write() as connection:
        admit(connection, tables.ledger, "submit", [request], at)
        connection.execute(insert(tables.submissions), [submission])
        if wish.once is not None:
            idempotency.remember(connection, wish.requester, wish.once, made, at)
    return made
