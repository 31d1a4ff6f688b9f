"""Verify the log: every entry against its leaf, the tree against its leaves, and the tree against every
checkpoint that was signed or that somebody kept.

An entry that was changed or removed is named. When its leaf was changed with it, a checkpoint tells
between which entries that was.
"""

from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from typing import Any, Final

from sqlalchemy import Connection, func, or_, select

from pipeline.crypto import checkpoint
from pipeline.crypto.checkpoint import Signed
from pipeline.crypto.merkle import Edge, leaf_hash
from pipeline.crypto.note import NoteRefused, Verifier
from pipeline.database.engine import AnyRow, Database
from pipeline.signer.audit import issuances
from pipeline.signer.audit.entries import UnreadableEntry, canonical, columns, read_any_text
from pipeline.signer.audit.findings import Findings, Report
from pipeline.signer.audit.sequencer import STORED_LEVELS, Head, read_head
from pipeline.signer.tables import audit, tree

CHUNK: Final = 5000
"""Leaves that are read at a time."""

AT_ONCE: Final = 500
"""Checkpoints that are read at a time."""

Source = tuple[str, Signed]
"""Where a checkpoint was kept, in words, and the checkpoint."""


def verify(database: Database, trusted: Sequence[Verifier], kept: Iterable[Source]) -> Report:
    """Verify the whole log; ``kept`` are checkpoints from outside the database.

    It may be written to meanwhile: what is added later is no part of this.
    """
    report = Report()
    with database.snapshot() as connection:
        read_any_text(connection)
        head = _head(connection, report)
        report.size, report.root = head.edge.size, head.edge.root.hex()
        stored = _signed(connection, trusted, report)
        checkpoints = _Checkpoints(merge(sorted(kept, key=_size), stored, key=_size))
        walk = _Walk(connection, report, checkpoints)
        walk.through(head.edge.size)
        if walk.whole and walk.edge.root != head.edge.root:
            report.found("head", "the head of the tree is not the one of its leaves")
        checkpoints.tell(head.edge.size, report)
        _outside(connection, report)
        issuances.verify(connection, report)
        report.forks = issuances.forks(connection)
    return report


class _Walk:
    """One way through all leaves, which comes by every checkpoint."""

    def __init__(self, connection: Connection, report: Report, checkpoints: "_Checkpoints") -> None:
        self.edge = Edge()
        self.whole = True
        self._connection = connection
        self._report = report
        self._checkpoints = checkpoints
        self._nodes = {
            (row.level, row.position): row.hash for row in connection.execute(select(tree.nodes))
        }

    def through(self, size: int) -> None:
        """Go through the first ``size`` leaves, as far as there are any."""
        place = 0
        self._checkpoints.compare(self.edge)
        while rows := self._leaves(place, size):
            for row in rows:
                self._check_entry(row)
                if row.leaf > place:
                    self._missing(place, row.leaf)
                self.whole = self.whole and type(row.hash) is bytes  # else it was found already
                if self.whole:
                    self._grow(row.hash)
                place = row.leaf + 1
        if place < size:
            self._missing(place, size)
        for level, position in sorted(self._nodes) if self.whole else ():
            self._report.found("node", f"node {position} of level {level} belongs to no tree")

    def _leaves(self, start: int, end: int) -> Sequence[AnyRow]:
        leaves = tree.leaves
        query = (
            select(leaves.c.leaf, leaves.c.entry, leaves.c.hash, *self._columns)
            .join_from(leaves, audit, audit.c.id == leaves.c.entry, isouter=True)
            .where(leaves.c.leaf >= start, leaves.c.leaf < end)
            .order_by(leaves.c.leaf)
            .limit(CHUNK)
        )
        return self._connection.execute(query).all()

    @property
    def _columns(self) -> list[Any]:
        return columns(self._connection.dialect.name)

    def _check_entry(self, row: AnyRow) -> None:
        leaf, entry, stored, found, *rest = row
        if found is None:
            self._report.found("removed", f"entry {entry} (leaf {leaf}) was removed")
            return
        try:
            unchanged = leaf_hash(canonical(found, *rest)) == stored
        except UnreadableEntry:
            unchanged = False
        if not unchanged:
            self._report.found("changed", f"entry {entry} (leaf {leaf}) is not what was sequenced")

    def _missing(self, first: int, end: int) -> None:
        self._report.found(
            "leaf-removed",
            f"{end - first} leaves are missing, from leaf {first} on; "
            "what was signed after it cannot be compared",
        )
        self.whole = False

    def _grow(self, leaf: bytes) -> None:
        for level, position, hashed in self.edge.append(leaf):
            if level % STORED_LEVELS:
                continue
            stored = self._nodes.pop((level, position), None)
            if stored != hashed:
                self._report.found(
                    "node", f"node {position} of level {level} is not the one of its leaves"
                )
        self._checkpoints.compare(self.edge)


class _Checkpoints:
    """Checkpoints, the smallest first: the first that the log does not continue says where it is wrong.

    There may be one for each minute of many years, so that they are never all in memory.
    """

    def __init__(self, sources: Iterator[Source]) -> None:
        self._sources = sources
        self._next = next(sources, None)
        self._agree = self._good = 0
        self._rewritten = Findings()

    def compare(self, edge: Edge) -> None:
        """Compare the tree with every checkpoint of its size."""
        while self._next is not None and self._next[1].size == edge.size:
            where, signed = self._next
            self._next = next(self._sources, None)
            if edge.root == signed.root:
                self._good = edge.size
                self._agree += 1
            else:
                self._rewritten.found(
                    "rewritten",
                    f"the log does not continue {where}, of size {signed.size}: something from leaf"
                    f" {self._good} to leaf {signed.size - 1} was changed with its leaf",
                )

    def tell(self, size: int, report: Report) -> None:
        """Tell what was found, and which checkpoints are of a larger tree than this of ``size``.

        Those beyond a leaf that is missing are not compared; it was found already.
        """
        report.checkpoints = self._agree
        report.take(self._rewritten)
        while self._next is not None:
            where, signed = self._next
            self._next = next(self._sources, None)
            if signed.size > size:
                report.found(
                    "shorter",
                    f"the log has {size} entries, and {where} says {signed.size}: "
                    f"the last {signed.size - size} were removed, or the database is an older one",
                )


def _size(source: Source) -> int:
    return source[1].size


def _signed(
    connection: Connection, trusted: Sequence[Verifier], report: Report
) -> Iterator[Source]:
    """Read the checkpoints in the database, the smallest first."""
    stored = tree.checkpoints.c
    query = select(stored.id, stored.size, stored.root, stored.note)
    query = query.order_by(stored.size, stored.id).execution_options(yield_per=AT_ONCE)
    last = 0
    for row in connection.execute(query):
        where = f"checkpoint {row.id} in the database"
        try:
            signed = checkpoint.read(str(row.note), trusted)
        except NoteRefused as error:
            report.found("checkpoint", f"{where} is not to be believed: {error}")
            continue
        if (signed.size, signed.root.hex()) != (row.size, row.root):
            report.found("checkpoint", f"{where} says something else than its note")
        elif signed.size < last:  # others would be passed over
            report.found("checkpoint", f"{where} comes after a larger one: the index was changed")
        else:
            last = signed.size
            yield where, signed


def _head(connection: Connection, report: Report) -> Head:
    try:
        return read_head(connection)
    except ValueError as error:
        report.found("head", f"the head of the tree cannot be read: {error}")
    leaves = connection.scalar(select(func.count()).select_from(tree.leaves)) or 0
    return Head(Edge(leaves), 0)


def _outside(connection: Connection, report: Report) -> None:
    """Look for leaves outside of the tree, and for entries that no sequencer will ever look at."""
    size = select(func.coalesce(func.max(tree.head.c.size), 0)).scalar_subquery()
    outside = or_(tree.leaves.c.leaf >= size, tree.leaves.c.leaf < 0)
    beyond = select(func.count(), func.min(tree.leaves.c.leaf)).where(outside)
    count, first = connection.execute(beyond).one()
    if count:
        report.found(
            "leaf-inserted", f"{count} leaves are outside of the tree, from leaf {first} on"
        )
    highest = select(func.coalesce(func.max(tree.head.c.highest), 0)).scalar_subquery()
    gap = (
        select(tree.gaps.c.first)
        .where(tree.gaps.c.first <= audit.c.id, tree.gaps.c.last >= audit.c.id)
        .exists()
    )
    query = (
        select(
            *columns(connection.dialect.name),
            (audit.c.id > highest).label("fresh"),
            gap.label("late"),
        )
        .join_from(audit, tree.leaves, tree.leaves.c.entry == audit.c.id, isouter=True)
        .where(tree.leaves.c.leaf.is_(None))
        .order_by(audit.c.id)
    )
    for row in connection.execute(query):
        if row.fresh or row.late:
            report.waiting += 1
            _ensure_readable(row, report)
        else:
            report.found(
                "inserted",
                f"entry {row.id} has no leaf and will get none: it was inserted by hand, or its "
                "leaf was removed",
            )


def _ensure_readable(row: AnyRow, report: Report) -> None:
    """Look whether an entry that has no place yet can be given one: else all others wait behind it."""
    try:
        canonical(*row[:5])
    except UnreadableEntry as error:
        report.found("unreadable", f"{error}; it keeps all that came after it from getting a place")
