"""Proofs about a Merkle tree (RFC 9162 §2.1.3 and §2.1.4): made from its nodes, checked without it."""

from collections.abc import Callable, Sequence
from typing import Final

from pipeline.crypto.merkle import EMPTY_ROOT, node_hash

NodeAt = Callable[[int, int], bytes]
"""Returns the hash of a complete subtree by its level and index."""

LONGEST: Final = 128
"""More hashes than a proof about any tree that fits into this world has."""


def range_hash(node: NodeAt, first: int, end: int) -> bytes:
    """Return the hash over the leaves from ``first`` to below ``end``, a range as trees have."""
    count = end - first
    if count == 0:
        return EMPTY_ROOT
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return node(level, first >> level)
    middle = first + _split(count)
    return node_hash(range_hash(node, first, middle), range_hash(node, middle, end))


def inclusion(node: NodeAt, index: int, size: int) -> list[bytes]:
    """Return the path of leaf ``index`` in the tree of the first ``size`` leaves (§2.1.3.1).

    Raises:
        ValueError: that tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    path: list[bytes] = []
    first, end = 0, size
    while end - first > 1:
        middle = first + _split(end - first)
        if index < middle:
            path.append(range_hash(node, middle, end))
            end = middle
        else:
            path.append(range_hash(node, first, middle))
            first = middle
    return path[::-1]


def consistency(node: NodeAt, older: int, size: int) -> list[bytes]:
    """Return the proof that the tree of ``size`` leaves begins with that of ``older`` (§2.1.4.1).

    Raises:
        ValueError: the older tree is the larger one.
    """
    if not 0 <= older <= size:
        raise ValueError(f"a tree of {size} leaves does not begin with {older} leaves")
    if older in (0, size):
        return []
    proof: list[bytes] = []
    first, end, whole = 0, size, True
    while older != end:
        middle = first + _split(end - first)
        if older <= middle:
            proof.append(range_hash(node, middle, end))
            end = middle
        else:
            proof.append(range_hash(node, first, middle))
            first, whole = middle, False
    if not whole:
        proof.append(range_hash(node, first, end))
    return proof[::-1]


def verify_inclusion(
    leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes
) -> bool:
    """Tell whether a leaf, by its hash, is number ``index`` of the tree with this root (§2.1.3.2)."""
    if not 0 <= index < size or len(path) > LONGEST:
        return False
    at, last, found = index, size - 1, leaf
    for hashed in path:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node_hash(hashed, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, hashed)
        at, last = at >> 1, last >> 1
    return last == 0 and found == root


def verify_consistency(
    older: int, older_root: bytes, size: int, root: bytes, proof: Sequence[bytes]
) -> bool:
    """Tell whether the tree with ``root`` begins with the one with ``older_root`` (§2.1.4.2)."""
    if not 0 <= older <= size or len(proof) > LONGEST:
        return False
    if older == size:
        return not proof and older_root == root
    if older == 0:
        return not proof and older_root == EMPTY_ROOT
    path = list(proof)
    if older & (older - 1) == 0:
        path.insert(0, older_root)
    if not path:
        return False
    at, last = older - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    before = after = path[0]
    for hashed in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            before, after = node_hash(hashed, before), node_hash(hashed, after)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            after = node_hash(after, hashed)
        at, last = at >> 1, last >> 1
    return last == 0 and before == older_root and after == root


def _split(count: int) -> int:
    """Return the largest power of two below ``count``, which is at least 2."""
    return 1 << ((count - 1).bit_length() - 1)
