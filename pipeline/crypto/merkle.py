"""Merkle trees (RFC 9162 §2.1) with SHA-256: hashes, and a tree's right edge, which suffices to grow.

Hashes are 32 bytes. A node is named by its level (leaves are level 0) and its index on that level; it
stands for the 2**level leaves from ``index * 2**level`` on.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

EMPTY_ROOT: Final = sha256().digest()
"""The root of a tree without leaves (RFC 9162 §2.1.1)."""

HASH_BYTES: Final = 32

Node = tuple[int, int, bytes]
"""Level, index, hash."""


def leaf_hash(octets: bytes) -> bytes:
    """Return the hash of a leaf (RFC 9162 §2.1.1)."""
    return sha256(b"\x00" + octets).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node with two children (RFC 9162 §2.1.1)."""
    return sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """Return the node above so many neighbours; their number is a power of two."""
    level = list(hashes)
    while len(level) > 1:
        level = [node_hash(level[at], level[at + 1]) for at in range(0, len(level), 2)]
    return level[0]


def join(edge: Sequence[bytes]) -> bytes:
    """Return the node over neighbours of falling sizes, the largest first."""
    if not edge:
        return EMPTY_ROOT
    found = edge[-1]
    for hashed in reversed(edge[:-1]):
        found = node_hash(hashed, found)
    return found


@dataclass
class Edge:
    """A tree of ``size`` leaves by its largest complete subtrees: one for each bit of the size."""

    size: int = 0
    hashes: list[bytes] = field(default_factory=list)

    def append(self, leaf: bytes) -> list[Node]:
        """Take in the hash of the next leaf; return the nodes that it completed, lowest first."""
        completed = []
        hashed, index, level = leaf, self.size, 0
        while index & 1:
            hashed = node_hash(self.hashes.pop(), hashed)
            index >>= 1
            level += 1
            completed.append((level, index, hashed))
        self.hashes.append(hashed)
        self.size += 1
        return completed

    def extend(self, leaves: Iterable[bytes]) -> list[Node]:
        """Take in the hashes of the next leaves; return the nodes that they completed."""
        return [node for leaf in leaves for node in self.append(leaf)]

    @property
    def root(self) -> bytes:
        """The root of the tree."""
        return join(self.hashes)

    def write(self) -> bytes:
        """Return the hashes one after the other."""
        return b"".join(self.hashes)

    @classmethod
    def read(cls, size: int, octets: bytes) -> "Edge":
        """Return what ``write`` wrote of a tree of this size.

        Raises:
            ValueError: a tree of this size has another number of hashes.
        """
        if size < 0 or len(octets) != HASH_BYTES * size.bit_count():
            raise ValueError(f"this is no edge of a tree of {size} leaves")
        starts = range(0, len(octets), HASH_BYTES)
        return cls(size, [octets[start : start + HASH_BYTES] for start in starts])
