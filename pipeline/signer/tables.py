"""The signer side's tables, and the views that approvers see."""

from typing import Final

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

from pipeline.database.advance import Ledger
from pipeline.database.columns import (
    NAMING,
    RequestId,
    UtcDateTime,
    audit_table,
    due_index,
    heartbeat_table,
    request_columns,
)
from pipeline.database.tries import tries_table
from pipeline.signer.tree_tables import tree_tables
from pipeline.states import SIGNER, State

metadata: Final = MetaData(naming_convention=NAMING)

requests: Final = Table(
    "requests",
    metadata,
    *request_columns(),
    Column("told_revision", Integer, nullable=False, default=0),
    Column("tell_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("remind_at", UtcDateTime),
    Index("ix_requests_state_created", "state", "created_at", "id"),
)
"""``next_attempt_at`` is when `sign` may take the row; ``tell_at`` when `transmit` may; ``expires_at``
when a request that waits for approval stops waiting; ``remind_at`` when approvers hear of it again."""

TO_SIGN: Final = text(f"state = '{State.WAITING_FOR_SIGNATURE}'")
TO_TELL: Final = text("told_revision < revision")
WAITING: Final = text(f"state = '{State.WAITING_FOR_APPROVAL}'")
"""The requests that a stage, the clock or an approver has to look at."""

due_index("ix_requests_to_sign", requests, "next_attempt_at", TO_SIGN)
due_index("ix_requests_to_tell", requests, "tell_at", TO_TELL)
due_index("ix_requests_to_expire", requests, "expires_at", WAITING)
due_index("ix_requests_to_remind", requests, "remind_at", WAITING)
due_index("ix_requests_waiting", requests, "created_at", WAITING)

submissions: Final = Table(
    "submissions",
    metadata,
    Column("request_id", RequestId, ForeignKey("requests.id"), primary_key=True),
    Column("csr", LargeBinary, nullable=False),
    Column("profile_name", String(200), nullable=False),
    Column("requester", String(200)),
    Column("source", String(200), nullable=False),
    Column("comment", Text, nullable=False, default=""),
    Column("submitted_at", UtcDateTime, nullable=False),
    Column("profile", JSON, nullable=False),
    Column("rule", JSON, nullable=False),
    Column("issuer", String(64), nullable=False),
    Column("policy_digest", String(64), nullable=False),
    Column("key_fingerprint", String(64)),
    Index("ix_submissions_key_fingerprint", "key_fingerprint", "submitted_at", "request_id"),
    Index("ix_submissions_requester", "requester", "submitted_at", "request_id"),
)
"""What was submitted, with profile, rule and issuer as they stood at `policy`. Only re-evaluation
changes these, and the audit keeps what they were. ``key_fingerprint`` is the SHA-256 (hex) of the
SubjectPublicKeyInfo; NULL when the CSR could not be read."""

decisions: Final = Table(
    "decisions",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("request_id", RequestId, nullable=False, index=True),
    Column("approver", String(63), primary_key=True),
    Column("verdict", String(8), nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("effect", String(24), nullable=False),
    Column("decided_at", UtcDateTime, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("token", LargeBinary, nullable=False),
    Index(
        "uq_decisions_counted",
        "request_id",
        "approver",
        unique=True,
        postgresql_where=text("effect = 'counted'"),
        sqlite_where=text("effect = 'counted'"),
    ),
)
"""Every decision that arrived, whole and for ever; ``id`` is the message's own. Its sender chose it,
so it is one approver's only: nobody can take an id from a colleague's decision under way."""

tbs: Final = Table(
    "tbs",
    metadata,
    Column("request_id", RequestId, ForeignKey("requests.id"), primary_key=True),
    Column("serial", String(40), nullable=False, unique=True),
    Column("issuer", String(64), nullable=False),
    Column("not_before", UtcDateTime, nullable=False),
    Column("not_after", UtcDateTime, nullable=False),
    Column("octets", LargeBinary, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)
"""What will be signed, committed before it is: after a crash the same bytes are signed again.
``serial`` is lower-case hexadecimal."""

certificates: Final = Table(
    "certificates",
    metadata,
    Column("request_id", RequestId, ForeignKey("requests.id"), primary_key=True),
    Column("serial", String(40), nullable=False, unique=True),
    Column("issuer", String(64), nullable=False),
    Column("certificate", LargeBinary, nullable=False),
    Column("issued_at", UtcDateTime, nullable=False),
)

issued_names: Final = Table(
    "issued_names",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("request_id", RequestId, ForeignKey("requests.id"), primary_key=True),
)
"""The names of all certificates, by the SHA-256 of each name: approvers see which is new."""

issuers: Final = Table(
    "issuers",
    metadata,
    Column("fingerprint", String(64), primary_key=True),
    Column("certificate", LargeBinary, nullable=False),
    Column("chain", LargeBinary, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("first_seen_at", UtcDateTime, nullable=False),
)
"""Every issuing CA that this signer ever worked with: ``certificate`` is DER; ``chain``, from itself
to below the root, and ``root`` are PEM. The web side is told of them with their certificates."""

switches: Final = Table(
    "switches",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("on", Boolean, nullable=False),
    Column("by", String(200), nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("changed_at", UtcDateTime, nullable=False),
)
"""Switches that stop `sign`: an operator's, and that of a restore (``pipeline.signer.operate``)."""

tries: Final = tries_table(metadata)
"""Submissions without a row in ``requests`` yet, and decisions, that may have killed a worker."""

rule_counts: Final = Table(
    "rule_counts",
    metadata,
    Column("rule", String(200), primary_key=True),
    Column("period", String(4), primary_key=True),
    Column("begins_at", UtcDateTime, primary_key=True),
    Column("count", Integer, nullable=False),
)
"""How many requests each limited rule let through, by its name, in each hour and day."""

blocked_keys: Final = Table(
    "blocked_keys",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("by", String(200), nullable=False),
    Column("blocked_at", UtcDateTime, nullable=False),
)
"""Keys for which nothing is signed, by a name of the key (``pipeline.crypto.key_lists``)."""

policy_in_force: Final = Table(
    "policy_in_force",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("loaded_at", UtcDateTime, nullable=False),
    Column("problem", Text, nullable=False, default=""),
    Column("noticed_at", UtcDateTime),
)
"""One row, ``policy``: which policy the workers go by, and what is wrong with its file now."""

audit: Final = audit_table(metadata)
tree: Final = tree_tables(metadata)
heartbeats: Final = heartbeat_table(metadata)

ledger: Final = Ledger(requests, audit, SIGNER)

views: Final = MetaData()

approval_requests: Final = Table(
    "approval_requests",
    views,
    Column("id", RequestId, primary_key=True),
    Column("state", String(24)),
    Column("revision", Integer),
    Column("reason", Text),
    Column("created_at", UtcDateTime),
    Column("changed_at", UtcDateTime),
    Column("expires_at", UtcDateTime),
    Column("csr", LargeBinary),
    Column("profile_name", String(200)),
    Column("requester", String(200)),
    Column("source", String(200)),
    Column("comment", Text),
    Column("submitted_at", UtcDateTime),
    Column("profile", JSON),
    Column("rule", JSON),
    Column("issuer", String(64)),
    Column("key_fingerprint", String(64)),
)
"""View: what an approver may see of a request."""

approval_decisions: Final = Table(
    "approval_decisions",
    views,
    Column("id", String(36), primary_key=True),
    Column("request_id", RequestId),
    Column("approver", String(63)),
    Column("verdict", String(8)),
    Column("reason", Text),
    Column("effect", String(24)),
    Column("decided_at", UtcDateTime),
    Column("received_at", UtcDateTime),
)
"""View: what an approver may see of decisions."""

approval_issuers: Final = Table(
    "approval_issuers",
    views,
    Column("fingerprint", String(64), primary_key=True),
    Column("certificate", LargeBinary),
)
"""View: the issuing CAs, so that an approver sees which one would sign."""

approval_names: Final = Table(
    "approval_names",
    views,
    Column("digest", LargeBinary, primary_key=True),
    Column("request_id", RequestId, primary_key=True),
)
"""View: which names were issued before."""

VIEW_DEFINITIONS: Final = {
    "approval_requests": """
        SELECT r.id, r.state, r.revision, r.reason, r.created_at, r.changed_at, r.expires_at,
               s.csr, s.profile_name, s.requester, s.source, s.comment, s.submitted_at,
               s.profile, s.rule, s.issuer, s.key_fingerprint
        FROM requests r JOIN submissions s ON s.request_id = r.id
    """,
    "approval_decisions": """
        SELECT id, request_id, approver, verdict, reason, effect, decided_at, received_at
        FROM decisions
    """,
    "approval_issuers": "SELECT fingerprint, certificate FROM issuers",
    "approval_names": "SELECT digest, request_id FROM issued_names",
}
