"""The signer side's first schema: requests, decisions, TBS, certificates, audit, views."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "signer_0001"
down_revision = None

RequestId = sa.Uuid(as_uuid=False).with_variant(sa.String(36), "sqlite")
Time = sa.DateTime(timezone=True)

VIEWS = {
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


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.Identity(always=False),
            nullable=False,
        ),
        sa.Column("at", Time, nullable=False),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("request_id", RequestId),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_request_id", "audit", ["request_id"])
    op.create_table(
        "audit_leaves",
        sa.Column("leaf", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("leaf", name="pk_audit_leaves"),
        sa.UniqueConstraint("entry", name="uq_audit_leaves_entry"),
    )
    op.create_table(
        "audit_nodes",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "position", name="pk_audit_nodes"),
    )
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("edge", sa.LargeBinary(), nullable=False),
        sa.Column("highest", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name="ck_audit_head_one"),
        sa.PrimaryKeyConstraint("id", name="pk_audit_head"),
    )
    op.create_table(
        "audit_gaps",
        sa.Column("first", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("first", name="pk_audit_gaps"),
    )
    op.create_table(
        "audit_checkpoints",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.Identity(always=False),
            nullable=False,
        ),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.String(length=64), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("signed_at", Time, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_checkpoints"),
    )
    op.create_index("ix_audit_checkpoints_size", "audit_checkpoints", ["size", "id"])
    for table in ("audit", "audit_leaves", "audit_nodes", "audit_checkpoints"):
        append_only(table)
    op.create_table(
        "blocked_keys",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("blocked_at", Time, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_blocked_keys"),
    )
    op.create_table(
        "decisions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("request_id", RequestId, nullable=False),
        sa.Column("approver", sa.String(length=63), nullable=False),
        sa.Column("verdict", sa.String(length=8), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("effect", sa.String(length=24), nullable=False),
        sa.Column("decided_at", Time, nullable=False),
        sa.Column("received_at", Time, nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", "approver", name="pk_decisions"),
    )
    op.create_index("ix_decisions_request_id", "decisions", ["request_id"])
    op.create_index(
        "uq_decisions_counted",
        "decisions",
        ["request_id", "approver"],
        unique=True,
        **where("effect = 'counted'"),
    )
    op.create_table(
        "heartbeats",
        sa.Column("process", sa.String(length=64), nullable=False),
        sa.Column("at", Time, nullable=False),
        sa.Column("broker_ok", sa.Integer(), nullable=False),
        sa.Column("certificates", sa.JSON()),
        sa.PrimaryKeyConstraint("process", name="pk_heartbeats"),
    )
    op.create_table(
        "issuers",
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("first_seen_at", Time, nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name="pk_issuers"),
    )
    op.create_table(
        "policy_in_force",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("loaded_at", Time, nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("noticed_at", Time),
        sa.PrimaryKeyConstraint("name", name="pk_policy_in_force"),
    )
    op.create_table(
        "requests",
        sa.Column("id", RequestId, nullable=False),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("changed_at", Time, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", Time),
        sa.Column("told_revision", sa.Integer(), nullable=False),
        sa.Column("tell_at", Time, nullable=False),
        sa.Column("expires_at", Time),
        sa.Column("remind_at", Time),
        sa.PrimaryKeyConstraint("id", name="pk_requests"),
    )
    op.create_index(
        "ix_requests_to_sign",
        "requests",
        ["next_attempt_at"],
        **where("state = 'waiting_for_signature'"),
    )
    op.create_index(
        "ix_requests_to_tell", "requests", ["tell_at"], **where("told_revision < revision")
    )
    op.create_index(
        "ix_requests_to_expire",
        "requests",
        ["expires_at"],
        **where("state = 'waiting_for_approval'"),
    )
    op.create_index(
        "ix_requests_to_remind",
        "requests",
        ["remind_at"],
        **where("state = 'waiting_for_approval'"),
    )
    op.create_index(
        "ix_requests_waiting", "requests", ["created_at"], **where("state = 'waiting_for_approval'")
    )
    op.create_index("ix_requests_state_created", "requests", ["state", "created_at", "id"])
    op.create_table(
        "rule_counts",
        sa.Column("rule", sa.String(length=200), nullable=False),
        sa.Column("period", sa.String(length=4), nullable=False),
        sa.Column("begins_at", Time, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("rule", "period", "begins_at", name="pk_rule_counts"),
    )
    op.create_table(
        "switches",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("on", sa.Boolean(), nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("changed_at", Time, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_switches"),
    )
    op.create_table(
        "tries",
        sa.Column("item", sa.String(length=64), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("begun_at", Time, nullable=False),
        sa.PrimaryKeyConstraint("item", name="pk_tries"),
    )
    op.create_table(
        "certificates",
        sa.Column("request_id", RequestId, nullable=False),
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("issuer", sa.String(length=64), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("issued_at", Time, nullable=False),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], name="fk_certificates_request_id"),
        sa.PrimaryKeyConstraint("request_id", name="pk_certificates"),
        sa.UniqueConstraint("serial", name="uq_certificates_serial"),
    )
    op.create_table(
        "submissions",
        sa.Column("request_id", RequestId, nullable=False),
        sa.Column("csr", sa.LargeBinary(), nullable=False),
        sa.Column("profile_name", sa.String(length=200), nullable=False),
        sa.Column("requester", sa.String(length=200)),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("submitted_at", Time, nullable=False),
        sa.Column("profile", sa.JSON(), nullable=False),
        sa.Column("rule", sa.JSON(), nullable=False),
        sa.Column("issuer", sa.String(length=64), nullable=False),
        sa.Column("policy_digest", sa.String(length=64), nullable=False),
        sa.Column("key_fingerprint", sa.String(length=64)),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], name="fk_submissions_request_id"),
        sa.PrimaryKeyConstraint("request_id", name="pk_submissions"),
    )
    for name in ("key_fingerprint", "requester"):
        op.create_index(
            f"ix_submissions_{name}", "submissions", [name, "submitted_at", "request_id"]
        )
    op.create_table(
        "issued_names",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("request_id", RequestId, nullable=False),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], name="fk_issued_names_request_id"),
        sa.PrimaryKeyConstraint("digest", "request_id", name="pk_issued_names"),
    )
    op.create_table(
        "tbs",
        sa.Column("request_id", RequestId, nullable=False),
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("issuer", sa.String(length=64), nullable=False),
        sa.Column("not_before", Time, nullable=False),
        sa.Column("not_after", Time, nullable=False),
        sa.Column("octets", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], name="fk_tbs_request_id"),
        sa.PrimaryKeyConstraint("request_id", name="pk_tbs"),
        sa.UniqueConstraint("serial", name="uq_tbs_serial"),
    )
    for name, definition in VIEWS.items():
        op.execute(f"CREATE VIEW {name} AS {definition}")


def where(condition: str) -> dict[str, Any]:
    """Return the condition of a partial index, for both kinds of database."""
    return {"postgresql_where": sa.text(condition), "sqlite_where": sa.text(condition)}


APPEND_ONLY = """
CREATE OR REPLACE FUNCTION httpca_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING MESSAGE = 'rows of ' || TG_TABLE_NAME || ' are never changed or removed',
                          ERRCODE = 'insufficient_privilege';
END $$
"""


def append_only(table: str) -> None:
    """Let triggers refuse every change of a row and every removal."""
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_append_only_{verb} BEFORE {verb} ON {table} BEGIN "
                f"SELECT RAISE(ABORT, 'rows of {table} are never changed or removed'); END"
            )
        return
    op.execute(APPEND_ONLY)
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION httpca_append_only()"
    )
