"""The sequencer: gives each committed entry its place in the tree, after the fact and in batches.

Who writes an entry takes part in nothing of this. Entries get their ids when they are written and are
seen when they are committed, so a lower id may be seen after a higher one: ids that were passed over
are kept as gaps and looked at every time, for ever, so that none is missed. Several sequencers are
harmless: the first one's commit changes the head, and the others find it changed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.crypto.merkle import Edge, Node, leaf_hash
from pipeline.database.engine import AnyRow, Database
from pipeline.database.sets import insert_rows
from pipeline.signer.audit.entries import canonical, columns
from pipeline.signer.tables import audit, tree

AT_ONCE = 1000
"""How many entries get their places in one transaction."""

STORED_LEVELS = 8
"""Of the nodes, those on every eighth level are stored: what lies between is 256 hashes away."""

Gap = tuple[int, int]
"""The first and the last of ids that had no entry when a higher one had."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where the tree stands; ``highest`` is the highest entry id that was looked at."""

    edge: Edge
    highest: int


def read_head(connection: Connection) -> Head:
    """Return where the tree stands.

    Raises:
        ValueError: the row was changed by hand: its edge is not one of a tree of its size.
    """
    row = connection.execute(select(tree.head)).one_or_none()
    if row is None:
        return Head(Edge(), 0)
    if not (type(row.size) is type(row.highest) is int and type(row.edge) is bytes):
        raise ValueError("these are no numbers and no hashes")  # SQLite keeps anything there
    return Head(Edge.read(row.size, row.edge), row.highest)


def sequence(database: Database, limit: int = AT_ONCE) -> int:
    """Give places to the entries that have none yet, at most ``limit``; return to how many.

    Returns 0 too when another sequencer was faster.

    Raises:
        UnreadableEntry: there is an entry that no part of this program wrote.
    """
    with database.read() as connection:
        head = read_head(connection)
        gaps = [(row.first, row.last) for row in connection.execute(select(tree.gaps))]
        rows = _late(connection, limit) if gaps else []
        late = len(rows)
        rows += _fresh(connection, head.highest, limit - late)
    if not rows:
        return 0
    first, size = head.edge.size, head.edge.size
    hashes = [leaf_hash(canonical(*row)) for row in rows]
    completed = head.edge.extend(hashes)
    ids = [row.id for row in rows]
    highest = max([head.highest, *ids[late:]])
    with database.write() as connection:
        if not _swap(connection, size, head.edge, highest):
            return 0
        leaves = [
            {"leaf": first + number, "entry": entry, "hash": hashed}
            for number, (entry, hashed) in enumerate(zip(ids, hashes, strict=True))
        ]
        insert_rows(connection, tree.leaves, leaves)
        _store_nodes(connection, completed)
        _change_gaps(
            connection, gaps, without(gaps, ids[:late]) + between(head.highest, ids[late:])
        )
    return len(rows)


def _fresh(connection: Connection, highest: int, limit: int) -> list[AnyRow]:
    query = select(*columns(connection.dialect.name)).where(audit.c.id > highest)
    return list(connection.execute(query.order_by(audit.c.id).limit(limit)))


def _late(connection: Connection, limit: int) -> list[AnyRow]:
    """Return entries that were committed after one with a higher id had been looked at."""
    in_gap = and_(audit.c.id >= tree.gaps.c.first, audit.c.id <= tree.gaps.c.last)
    query = select(*columns(connection.dialect.name)).join_from(tree.gaps, audit, in_gap)
    return list(connection.execute(query.order_by(audit.c.id).limit(limit)))


def _swap(connection: Connection, size: int, edge: Edge, highest: int) -> bool:
    """Change the head from what was read to what it is now; False when another did already."""
    values = {"size": edge.size, "edge": edge.write(), "highest": highest}
    if size == 0:
        dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
        made = dialect.insert(tree.head).values(id=1, **values).on_conflict_do_nothing()
        return connection.execute(made.returning(tree.head.c.id)).first() is not None
    statement = update(tree.head).where(tree.head.c.id == 1, tree.head.c.size == size)
    return connection.execute(statement.values(values)).rowcount == 1


def _store_nodes(connection: Connection, completed: Iterable[Node]) -> None:
    rows = [
        {"level": level, "position": index, "hash": hashed}
        for level, index, hashed in completed
        if level % STORED_LEVELS == 0
    ]
    insert_rows(connection, tree.nodes, rows)


def _change_gaps(connection: Connection, before: Sequence[Gap], after: Sequence[Gap]) -> None:
    gone = [first for first, last in before if (first, last) not in set(after)]
    if gone:
        connection.execute(delete(tree.gaps).where(tree.gaps.c.first.in_(gone)))
    made = [{"first": first, "last": last} for first, last in after if (first, last) not in before]
    insert_rows(connection, tree.gaps, made)


def between(highest: int, ids: Iterable[int]) -> list[Gap]:
    """Return the gaps that rising ids leave, after ``highest``."""
    gaps = []
    for one in ids:
        if one > highest + 1:
            gaps.append((highest + 1, one - 1))
        highest = one
    return gaps


def without(gaps: Iterable[Gap], ids: Sequence[int]) -> list[Gap]:
    """Return the gaps that are left once these ids, rising, are found in them."""
    left = []
    for first, last in gaps:
        for one in ids:
            if first <= one <= last:
                if first < one:
                    left.append((first, one - 1))
                first = one + 1
        if first <= last:
            left.append((first, last))
    return left
