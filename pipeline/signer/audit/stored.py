"""The tree as it is stored: hashes of its nodes, and proofs about it, in few and short reads."""

from sqlalchemy import Connection, select

from pipeline.crypto import merkle_proof
from pipeline.crypto.merkle import fold
from pipeline.errors import HttpcaError
from pipeline.signer.audit.sequencer import STORED_LEVELS
from pipeline.signer.tables import tree


class BrokenTree(HttpcaError):
    """Hashes of the tree are missing: somebody has changed the signer's database by hand."""


class StoredTree:
    """The tree in the signer's database, as far as it is complete."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def root(self, size: int) -> bytes:
        """Return the root of the tree of the first ``size`` leaves."""
        return merkle_proof.range_hash(self.node, 0, size)

    def inclusion(self, leaf: int, size: int) -> list[bytes]:
        """Return the path of a leaf in the tree of the first ``size`` leaves."""
        return merkle_proof.inclusion(self.node, leaf, size)

    def consistency(self, older: int, size: int) -> list[bytes]:
        """Return the proof that the tree of ``size`` leaves begins with that of ``older``."""
        return merkle_proof.consistency(self.node, older, size)

    def node(self, level: int, index: int) -> bytes:
        """Return the hash of a complete subtree, from at most 128 stored ones.

        Raises:
            BrokenTree: not all of them are there.
        """
        stored = level - level % STORED_LEVELS
        count = 1 << (level - stored)
        first = index * count
        if stored == 0:
            column, position = tree.leaves.c.hash, tree.leaves.c.leaf
            query = select(column)
        else:
            column, position = tree.nodes.c.hash, tree.nodes.c.position
            query = select(column).where(tree.nodes.c.level == stored)
        query = query.where(position >= first, position < first + count).order_by(position)
        hashes = list(self._connection.scalars(query))
        if len(hashes) != count:
            raise BrokenTree(
                f"the audit's tree has {len(hashes)} of {count} hashes at level {stored} from "
                f"{first} on; `httpca audit verify` says more"
            )
        return fold(hashes)
