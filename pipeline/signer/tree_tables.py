"""The tables of the audit's Merkle tree (docs/decisions/0022), apart from the entries themselves.

The sequencer alone writes them, after the entries are committed, so that who writes an entry waits
for nobody.
"""

from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

from pipeline.database.append_only import append_only
from pipeline.database.columns import BigInteger as GrowingKey
from pipeline.database.columns import UtcDateTime


@dataclass(frozen=True, slots=True)
class TreeTables:
    """``leaves``: which entry is which leaf, with its hash. ``nodes``: the roots of the complete
    subtrees of 256, 256², … leaves. ``head``: the tree's size and right edge, and the highest entry id
    that was looked at. ``gaps``: ids below that one without an entry yet: of a transaction that is
    still under way, or was rolled back. ``checkpoints``: every head that was signed."""

    leaves: Table
    nodes: Table
    head: Table
    gaps: Table
    checkpoints: Table


def tree_tables(metadata: MetaData) -> TreeTables:
    """Return the tables for the tree over a side's entries.

    ``leaves.entry`` is no foreign key: to check one, PostgreSQL would write to every entry again.
    """
    leaves = Table(
        "audit_leaves",
        metadata,
        Column("leaf", BigInteger, primary_key=True, autoincrement=False),
        Column("entry", BigInteger, nullable=False, unique=True),
        Column("hash", LargeBinary, nullable=False),
    )
    nodes = Table(
        "audit_nodes",
        metadata,
        Column("level", Integer, primary_key=True, autoincrement=False),
        Column("position", BigInteger, primary_key=True, autoincrement=False),
        Column("hash", LargeBinary, nullable=False),
    )
    head = Table(
        "audit_head",
        metadata,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("size", BigInteger, nullable=False),
        Column("edge", LargeBinary, nullable=False),
        Column("highest", BigInteger, nullable=False),
        CheckConstraint("id = 1", name="ck_audit_head_one"),
    )
    gaps = Table(
        "audit_gaps",
        metadata,
        Column("first", BigInteger, primary_key=True, autoincrement=False),
        Column("last", BigInteger, nullable=False),
    )
    checkpoints = Table(
        "audit_checkpoints",
        metadata,
        Column("id", GrowingKey, Identity(), primary_key=True),
        Column("size", BigInteger, nullable=False),
        Column("root", String(64), nullable=False),
        Column("note", Text, nullable=False),
        Column("signed_at", UtcDateTime, nullable=False),
        Index("ix_audit_checkpoints_size", "size", "id"),
    )
    return TreeTables(append_only(leaves), append_only(nodes), head, gaps, append_only(checkpoints))
