"""The bodies of messages between stages, typed.

JSON on the wire: bytes are base64, times are RFC 3339 in UTC. A body is accepted only in the one
form in which this module writes it, so a duplicated, unknown or oddly written member is refused.
New members get a default and are left out when they have it: then the previous release's messages
still read, and ours that do not use them are read by it.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal, TypeVar
from unicodedata import category

import msgspec
from msgspec import Meta

from pipeline.errors import MessageRefused
from pipeline.stages import DECIDE, DELIVER, POLICY, RELAY, SIGN, TRANSMIT
from pipeline.states import State

VERSION: Final = 1
READABLE_VERSIONS: Final = frozenset({VERSION})
"""The version that this release writes, and those that it reads (its own and the previous one's)."""

MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024
"""The largest message that is accepted, in bytes, signature included."""

MAX_ITEMS: Final = 500
"""The largest number of requests in one message."""

MAX_ISSUERS: Final = 16
"""The largest number of issuing CAs in one message."""

_ROOM: Final = MAX_MESSAGE_BYTES * 3 // 4 - 512 * 1024
"""Bytes of JSON that the items of one message may take: base64 adds a third to all of them, and the
rest is for issuers, addresses and the signature."""

MAX_CSR_BYTES: Final = 64 * 1024

RequestId = Annotated[
    str, Meta(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")
]
Time = Annotated[datetime, Meta(tz=True)]
Der = Annotated[bytes, Meta(max_length=MAX_CSR_BYTES)]
CertificateDer = Annotated[bytes, Meta(max_length=4 * MAX_CSR_BYTES)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
MAX_SENTENCE: Final = 2000
"""Characters of a comment or a reason."""

Sentence = Annotated[str, Meta(max_length=MAX_SENTENCE)]
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
# Not "$", which a line break may follow: such an id is another one for SQLite, and none for PostgreSQL.

Hash = Annotated[bytes, Meta(min_length=32, max_length=32)]
MAX_REVISION: Final = 2**30
Revision = Annotated[int, Meta(ge=0, le=MAX_REVISION)]


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of everything that a message can carry."""

    def __post_init__(self) -> None:
        """Refuse what no database holds: times that are not in UTC or not of these centuries, and
        texts with NUL, which PostgreSQL cannot store and SQLite can."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, datetime) and (
                value.utcoffset() != timedelta() or not 2000 <= value.year < 9000
            ):
                raise ValueError(f"{name} is no time in UTC between the years 2000 and 9000")
            if isinstance(value, str) and "\0" in value:
                raise ValueError(f"{name} contains NUL")


class WakeUp(Body, frozen=True):
    """Nothing: look at your rows."""


class Submission(Body, frozen=True):
    """One request as its requester submitted it. ``known_revision`` is what the web side has heard."""

    id: RequestId
    csr: Der
    profile: Name
    source: Name
    submitted_at: Time
    requester: Name | None = None
    comment: Sentence = ""
    known_revision: Revision = 0


class SubmissionBatch(Body, frozen=True):
    """What the web side wants the signer to know: requests, and the ids of those withdrawn."""

    submissions: Annotated[list[Submission], Meta(max_length=MAX_ITEMS)] = []
    withdrawals: Annotated[list[RequestId], Meta(max_length=MAX_ITEMS)] = []


class Decision(Body, frozen=True):
    """One approver's word on one request, over the digest of what they were shown."""

    request_id: RequestId
    verdict: Literal["accept", "reject"]
    digest: Digest
    decided_at: Time
    reason: Sentence = ""


class Outcome(Body, frozen=True):
    """What the signer says of one request at one revision."""

    id: RequestId
    revision: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    state: State
    changed_at: Time
    reason: Sentence = ""
    certificate: CertificateDer | None = None
    issuer: Digest | None = None


class IssuerNotice(Body, frozen=True):
    """An issuing CA: its chain from its own certificate to below the root, and the root (DER)."""

    fingerprint: Digest
    chain: Annotated[list[CertificateDer], Meta(min_length=1, max_length=8)]
    root: CertificateDer


class CheckpointNotice(Body, frozen=True):
    """A signed head of the signer's audit (C2SP checkpoint), and the key to verify it with.

    ``proof`` proves that it continues the one of size ``extends`` (RFC 9162 §2.1.4), when there is one.
    """

    note: Sentence
    key: Sentence
    extends: Annotated[int, Meta(ge=0, lt=2**53)] | None = None
    proof: Annotated[list[Hash], Meta(max_length=128)] = []


class OutcomeBatch(Body, frozen=True):
    """What the web side does not know yet, with the issuers of the certificates in it."""

    outcomes: Annotated[list[Outcome], Meta(max_length=MAX_ITEMS)] = []
    issuers: Annotated[list[IssuerNotice], Meta(max_length=MAX_ISSUERS)] = []
    checkpoints: Annotated[list[CheckpointNotice], Meta(max_length=16)] = []


CARRIES: Final[dict[str, type[Body]]] = {
    RELAY.queue: WakeUp,
    POLICY.queue: SubmissionBatch,
    DECIDE.queue: Decision,
    SIGN.queue: WakeUp,
    TRANSMIT.queue: WakeUp,
    DELIVER.queue: OutcomeBatch,
}
"""What each stage carries, by the name of its queue."""


class Payload(Body, frozen=True):
    """What a message signs: its identity and destination, and the body as JSON."""

    v: int
    id: RequestId
    stage: str
    queue: str
    sent_at: Time
    body: msgspec.Raw


# Made here and not when first used: two threads that do that at once crash msgspec, which looks at a
# class's fields once, and lets others see it half done.
_DECODERS: Final = {kind: msgspec.json.Decoder(kind) for kind in Body.__subclasses__()}


B = TypeVar("B", bound=Body)


def read(kind: type[B], octets: bytes | msgspec.Raw) -> B:
    """Read a body, strictly.

    Raises:
        MessageRefused: ``bad-body`` when it is not JSON, not of this kind, or not in the one form
            in which it is written.
    """
    try:
        body = _DECODERS[kind].decode(octets)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageRefused("bad-body") from error
    if msgspec.json.encode(body) != bytes(octets):
        raise MessageRefused("bad-body")
    return body  # type: ignore[return-value]


def clip(sentence: str) -> str:
    """Return a sentence that fits into a message."""
    return sentence if len(sentence) <= MAX_SENTENCE else sentence[: MAX_SENTENCE - 1] + "…"


def says_something(sentence: str) -> bool:
    """Say whether a person can read anything in a sentence: a letter or a number of any script."""
    return any(category(character)[0] in "LN" for character in sentence)


def write(body: Body) -> bytes:
    """Write a body in the one form in which it is accepted."""
    return msgspec.json.encode(body)


def chunked(items: Iterable[B]) -> Iterator[list[B]]:
    """Split bodies into groups that fit into one message.

    A group holds at most ``MAX_ITEMS`` and ``_ROOM`` bytes of JSON.
    """
    group: list[B] = []
    filled = 0
    for item in items:
        size = len(write(item)) + 1  # and a comma
        if group and (len(group) == MAX_ITEMS or filled + size > _ROOM):
            yield group
            group, filled = [], 0
        group.append(item)
        filled += size
    if group:
        yield group
