"""The web side's first schema: requests, submissions, certificates, issuers, tokens, rates, audit."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "web_0001"
down_revision = None

RequestId = sa.Uuid(as_uuid=False).with_variant(sa.String(36), "sqlite")
Time = sa.DateTime(timezone=True)


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
        "audit_checkpoints",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.Identity(always=False),
            nullable=False,
        ),
        sa.Column("origin", sa.String(length=200), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.String(length=64), nullable=False),
        sa.Column("extends", sa.BigInteger()),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("received_at", Time, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_checkpoints"),
        sa.UniqueConstraint("origin", "size", "root", name="uq_audit_checkpoints_origin_size_root"),
    )
    for table in ("audit", "audit_checkpoints"):
        append_only(table)
    op.create_table(
        "heartbeats",
        sa.Column("process", sa.String(length=64), nullable=False),
        sa.Column("at", Time, nullable=False),
        sa.Column("broker_ok", sa.Integer(), nullable=False),
        sa.Column("certificates", sa.JSON()),
        sa.PrimaryKeyConstraint("process", name="pk_heartbeats"),
    )
    op.create_table(
        "tries",
        sa.Column("item", sa.String(length=64), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("begun_at", Time, nullable=False),
        sa.PrimaryKeyConstraint("item", name="pk_tries"),
    )
    op.create_table(
        "issuers",
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("heard_at", Time, nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name="pk_issuers"),
    )
    op.create_table(
        "rates",
        sa.Column("subject", sa.String(length=220), nullable=False),
        sa.Column("minute", sa.BigInteger(), nullable=False),
        sa.Column("taken", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name="pk_rates"),
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
        sa.Column("requester", sa.String(length=200)),
        sa.Column("withdrawal_wished", sa.Boolean(), nullable=False),
        sa.Column("in_bulk", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_requests"),
    )
    op.create_index("ix_requests_requester_created", "requests", ["requester", "created_at", "id"])
    op.create_index(
        "ix_requests_requester_state_created",
        "requests",
        ["requester", "state", "created_at", "id"],
    )
    for name, lane in (("", "NOT in_bulk"), ("_in_bulk", "in_bulk")):
        op.create_index(
            f"ix_requests_unanswered{name}",
            "requests",
            ["next_attempt_at"],
            **where(f"state NOT IN ('expired', 'issued', 'rejected', 'withdrawn') AND {lane}"),
        )
    op.create_table(
        "tokens",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("revoked_at", Time),
        sa.PrimaryKeyConstraint("name", name="pk_tokens"),
        sa.UniqueConstraint("hash", name="uq_tokens_hash"),
    )
    op.create_table(
        "certificates",
        sa.Column("request_id", RequestId, nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("issuer", sa.String(length=64), nullable=False),
        sa.Column("received_at", Time, nullable=False),
        sa.ForeignKeyConstraint(["issuer"], ["issuers.fingerprint"], name="fk_certificates_issuer"),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], name="fk_certificates_request_id"),
        sa.PrimaryKeyConstraint("request_id", name="pk_certificates"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("requester", sa.String(length=200), nullable=False),
        sa.Column("key", sa.String(length=204), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        sa.Column("request_id", RequestId, nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"], ["requests.id"], name="fk_idempotency_keys_request_id"
        ),
        sa.PrimaryKeyConstraint("requester", "key", name="pk_idempotency_keys"),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])
    op.create_table(
        "submissions",
        sa.Column("request_id", RequestId, nullable=False),
        sa.Column("csr", sa.LargeBinary(), nullable=False),
        sa.Column("profile", sa.String(length=200), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], name="fk_submissions_request_id"),
        sa.PrimaryKeyConstraint("request_id", name="pk_submissions"),
    )


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
