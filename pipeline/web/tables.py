"""The web side's tables."""

from datetime import timedelta
from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from pipeline.database.advance import Ledger
from pipeline.database.append_only import append_only
from pipeline.database.columns import (
    NAMING,
    RequestId,
    UtcDateTime,
    audit_table,
    due_index,
    heartbeat_table,
    request_columns,
)
from pipeline.database.columns import BigInteger as GrowingKey
from pipeline.database.tries import tries_table
from pipeline.states import FINAL, WEB

metadata: Final = MetaData(naming_convention=NAMING)

requests: Final = Table(
    "requests",
    metadata,
    *request_columns(),
    Column("requester", String(200)),
    Column("withdrawal_wished", Boolean, nullable=False, default=False),
    Column("in_bulk", Boolean, nullable=False, default=False),
    Index("ix_requests_requester_created", "requester", "created_at", "id"),
    Index("ix_requests_requester_state_created", "requester", "state", "created_at", "id"),
)
"""``next_attempt_at`` is when the signer is told or asked (again); NULL once the state is final.
``in_bulk`` says that many others came by the same call: these let all others go first."""

_final = ", ".join(f"'{state}'" for state in sorted(FINAL))

UNANSWERED: Final = text(f"state NOT IN ({_final}) AND NOT in_bulk")
UNANSWERED_IN_BULK: Final = text(f"state NOT IN ({_final}) AND in_bulk")
"""The requests whose answer is not final, in the order of their importance: a thousand that came at
once would else keep one that comes alone waiting."""

LANES: Final = (UNANSWERED, UNANSWERED_IN_BULK)
"""Both, for whoever looks at all of them."""

DUE_SINCE: Final = timedelta(minutes=10)
"""For how long what is to go on at once has been due when it is stored: so it is due, too, to workers
whose clock is behind that of a process `web`. Messages may come from as far in the future."""

due_index("ix_requests_unanswered", requests, "next_attempt_at", UNANSWERED)
due_index("ix_requests_unanswered_in_bulk", requests, "next_attempt_at", UNANSWERED_IN_BULK)

submissions: Final = Table(
    "submissions",
    metadata,
    Column("request_id", RequestId, ForeignKey("requests.id"), primary_key=True),
    Column("csr", LargeBinary, nullable=False),
    Column("profile", String(200), nullable=False),
    Column("source", String(200), nullable=False),
    Column("comment", Text, nullable=False, default=""),
)
"""What was submitted: never changed."""

certificates: Final = Table(
    "certificates",
    metadata,
    Column("request_id", RequestId, ForeignKey("requests.id"), primary_key=True),
    Column("certificate", LargeBinary, nullable=False),
    Column("issuer", String(64), ForeignKey("issuers.fingerprint"), nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
)

issuers: Final = Table(
    "issuers",
    metadata,
    Column("fingerprint", String(64), primary_key=True),
    Column("chain", LargeBinary, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("heard_at", UtcDateTime, nullable=False),
)
"""``chain`` is PEM from the issuing CA to below the root, ``root`` is PEM."""

tokens: Final = Table(
    "tokens",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
)
"""A requester's bearer token, as the SHA-256 of its text: it has 256 random bits, so that needs no
slow hash."""

idempotency_keys: Final = Table(
    "idempotency_keys",
    metadata,
    Column("requester", String(200), primary_key=True),
    Column("key", String(204), primary_key=True),
    Column("body_hash", LargeBinary, nullable=False),
    Column("request_id", RequestId, ForeignKey("requests.id"), nullable=False),
    Column("created_at", UtcDateTime, nullable=False, index=True),
)
"""``requester`` is empty for the anonymous ones; to the key of a batch its places are added."""

tries: Final = tries_table(metadata)
"""Outcomes (by their request's id) and issuing CAs that may have killed a worker."""

rates: Final = Table(
    "rates",
    metadata,
    Column("subject", String(220), primary_key=True),
    Column("minute", BigInteger, nullable=False),
    Column("taken", BigInteger, nullable=False),
)
"""How many permits each address and requester took in a minute, which is counted from 1970."""

audit: Final = audit_table(metadata)

audit_checkpoints: Final = append_only(
    Table(
        "audit_checkpoints",
        metadata,
        Column("id", GrowingKey, Identity(), primary_key=True),
        Column("origin", String(200), nullable=False),
        Column("size", BigInteger, nullable=False),
        Column("root", String(64), nullable=False),
        Column("extends", BigInteger),
        Column("note", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("received_at", UtcDateTime, nullable=False),
        UniqueConstraint("origin", "size", "root"),
    )
)
"""Heads of the signer's audit, as the signer signed them (``note``, and ``key`` to verify it with).
``extends`` is the size of an earlier one of them that this one was proved to continue; NULL when there
was no proof. ``root`` is hexadecimal."""

heartbeats: Final = heartbeat_table(metadata)

ledger: Final = Ledger(requests, audit, WEB)
