"""A signer database whose audit has a tree, for tests that look at it, disturb it, or forge it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, delete, insert, select

from pipeline.crypto import checkpoint
from pipeline.crypto.checkpoint import Signed
from pipeline.crypto.merkle import Edge, leaf_hash
from pipeline.database import append_only
from pipeline.database.advance import record
from pipeline.database.engine import Database
from pipeline.signer.audit.entries import canonical, columns
from pipeline.signer.audit.findings import Report
from pipeline.signer.audit.sequencer import STORED_LEVELS, read_head, sequence
from pipeline.signer.audit.verify import verify
from pipeline.signer.tables import audit, certificates, requests, tree

NOON = datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
TRUSTED = checkpoint.verifier(KEY.public_key())
REQUEST = "0195e3c2-7a1b-7c00-8000-{:012x}"
CERTIFICATES = 5


class Within(Database):
    """A database as one open transaction sees it: what that one does can be rolled back."""

    def __init__(self, database: Database, connection: Connection) -> None:
        super().__init__(database.engine)
        self._connection = connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        yield self._connection


@dataclass
class Log:
    """A filled log, and the checkpoints that somebody kept of it."""

    database: Database
    kept: list[Signed] = field(default_factory=list)

    def write(self, count: int) -> None:
        """Write entries, each by the function that the program uses."""
        with self.database.write() as connection:
            for number in range(count):
                details = {"operator": "operator", "number": number, "reason": "“ü”\n"}
                moment = NOON + timedelta(seconds=number)
                record(connection, audit, "signing-begun", details, moment, REQUEST.format(number))

    def issue(self) -> None:
        """Store certificates, with their entries."""
        for number in range(CERTIFICATES):
            octets = f"certificate {number}".encode()
            one, serial = REQUEST.format(number), f"{number:040x}"
            with self.database.write() as connection:
                connection.execute(insert(requests), _request(one))
                row = {"request_id": one, "serial": serial, "issuer": "", "issued_at": NOON}
                connection.execute(insert(certificates), row | {"certificate": octets})
                details = {"serial": serial, "certificate": sha256(octets).hexdigest()}
                record(connection, audit, "state-changed", details, NOON, one)

    def sequence(self) -> None:
        """Give all entries their places."""
        while sequence(self.database):
            pass

    def sign(self) -> Signed:
        """Sign the head, store the checkpoint, and keep it."""
        with self.database.read() as connection:
            edge = read_head(connection).edge
        signed = checkpoint.sign(edge.size, edge.root, KEY)
        with self.database.write() as connection:
            row = {"size": edge.size, "root": edge.root.hex(), "note": signed.note}
            connection.execute(insert(tree.checkpoints), row | {"signed_at": NOON})
        self.kept.append(signed)
        return signed

    def verify(self, database: Database | None = None) -> Report:
        """Verify the log against what was kept of it."""
        kept = [(f"the kept checkpoint of {signed.size}", signed) for signed in self.kept]
        return verify(database or self.database, [TRUSTED], kept)

    def places(self) -> list[int]:
        """Return the ids of the entries in the order of their leaves."""
        with self.database.read() as connection:
            rows = connection.execute(select(tree.leaves).order_by(tree.leaves.c.leaf)).all()
        assert [row.leaf for row in rows] == list(range(len(rows)))
        return [row.entry for row in rows]

    def ids(self) -> list[int]:
        """Return the ids of all entries."""
        with self.database.read() as connection:
            return list(connection.scalars(select(audit.c.id).order_by(audit.c.id)))


def unlock(connection: Connection) -> None:
    """Take the triggers away that refuse changes, as the tables' owner could."""
    for table in (audit, tree.leaves, tree.nodes, tree.checkpoints):
        if connection.dialect.name == "sqlite":
            for verb in ("UPDATE", "DELETE"):
                connection.exec_driver_sql(f"DROP TRIGGER {table.name}_append_only_{verb}")
        else:
            connection.exec_driver_sql(f"ALTER TABLE {table.name} DISABLE TRIGGER USER")


def forge(connection: Connection) -> None:
    """Make the whole tree anew from the entries as they stand, as somebody would who knows how."""
    order = list(connection.scalars(select(tree.leaves.c.entry).order_by(tree.leaves.c.leaf)))
    query = select(*columns(connection.dialect.name))
    octets = {row.id: canonical(*row) for row in connection.execute(query)}
    hashes = [leaf_hash(octets[entry]) for entry in order if entry in octets]
    for table in (tree.leaves, tree.nodes, tree.checkpoints):
        connection.execute(delete(table))
    edge = Edge()
    nodes = [node for node in edge.extend(hashes) if node[0] % STORED_LEVELS == 0]
    entries = [entry for entry in order if entry in octets]
    leaves = [
        {"leaf": leaf, "entry": entry, "hash": hashed}
        for leaf, (entry, hashed) in enumerate(zip(entries, hashes, strict=True))
    ]
    connection.execute(insert(tree.leaves), leaves)
    for level, position, hashed in nodes:
        row = {"level": level, "position": position, "hash": hashed}
        connection.execute(insert(tree.nodes), row)
    values = {"size": edge.size, "edge": edge.write(), "highest": max(entries)}
    connection.execute(tree.head.update().values(values))


def kinds(report: Report) -> set[str]:
    """Return the kinds of what was found."""
    return {finding.kind for finding in report.findings}


def sentences(report: Report, kind: str) -> Sequence[str]:
    """Return what was found of one kind."""
    return [finding.sentence for finding in report.findings if finding.kind == kind]


def _request(one: str) -> dict[str, Any]:
    return {
        "id": one,
        "state": "issued",
        "revision": 2,
        "reason": "",
        "created_at": NOON,
        "changed_at": NOON,
        "attempts": 0,
        "told_revision": 2,
        "tell_at": NOON,
    }


def empty(connection: Connection) -> None:
    """Remove everything, for the next test."""
    unlock(connection)
    for table in (tree.leaves, tree.nodes, tree.head, tree.gaps, tree.checkpoints):
        connection.execute(delete(table))
    for table in (certificates, requests, audit):
        connection.execute(delete(table))
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("ALTER TABLE audit ALTER COLUMN id RESTART")
    lock(connection)


def lock(connection: Connection) -> None:
    """Put the triggers back."""
    for table in (audit, tree.leaves, tree.nodes, tree.checkpoints):
        if connection.dialect.name == "sqlite":
            for statement in append_only.statements("sqlite", table.name):
                connection.exec_driver_sql(statement)
        else:
            connection.exec_driver_sql(f"ALTER TABLE {table.name} ENABLE TRIGGER USER")
