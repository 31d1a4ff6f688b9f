"""Merkle trees against the published vectors, and against the definition of RFC 9162 itself."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.crypto.merkle import EMPTY_ROOT, Edge, fold, leaf_hash
from pipeline.crypto.merkle_proof import (
    consistency,
    inclusion,
    range_hash,
    verify_consistency,
    verify_inclusion,
)

# The leaves and roots with which implementations of certificate transparency (RFC 6962) are tested.
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LARGEST = 300
HASHES = [leaf_hash(bytes([n & 255, n >> 8])) for n in range(LARGEST)]


def defined(leaves: list[bytes]) -> bytes:
    """MTH as RFC 9162 §2.1.1 writes it, over hashes of leaves."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while 2 * split < len(leaves):
        split *= 2
    return sha256(b"\x01" + defined(leaves[:split]) + defined(leaves[split:])).digest()


def node(level: int, index: int) -> bytes:
    return fold(HASHES[index << level : (index + 1) << level])


ALL = [defined(HASHES[:size]) for size in range(LARGEST + 1)]


@pytest.mark.parametrize("size", range(9))
def test_the_published_leaves_have_the_published_roots(size: int) -> None:
    edge = Edge()
    edge.extend(leaf_hash(leaf) for leaf in LEAVES[:size])
    assert edge.root.hex() == ROOTS[size]


def test_a_growing_tree_has_the_root_of_the_definition_at_every_size() -> None:
    edge = Edge()
    assert edge.root == EMPTY_ROOT
    for size, leaf in enumerate(HASHES, start=1):
        for level, index, hashed in edge.append(leaf):
            assert hashed == node(level, index)
        assert edge.root == ALL[size] == range_hash(node, 0, size)
        edge = Edge.read(edge.size, edge.write())


def test_an_edge_of_another_size_is_not_read() -> None:
    with pytest.raises(ValueError, match="no edge of a tree of 3"):
        Edge.read(3, b"\0" * 32)


def test_every_leaf_of_every_tree_is_proved_included() -> None:
    for size in (*range(1, 70), 127, 128, 129, 255, 256, 257, LARGEST):
        for index in range(size):
            path = inclusion(node, index, size)
            assert verify_inclusion(HASHES[index], index, size, path, ALL[size])


def test_every_tree_is_proved_to_begin_with_every_smaller_one() -> None:
    for size in (*range(1, 70), 127, 128, 129, 255, 256, 257, LARGEST):
        for older in range(size + 1):
            proof = consistency(node, older, size)
            assert verify_consistency(older, ALL[older], size, ALL[size], proof)


@given(st.data())
@settings(max_examples=400)
def test_a_proof_of_inclusion_proves_nothing_else(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, LARGEST))
    index = data.draw(st.integers(0, size - 1))
    path = inclusion(node, index, size)
    other = data.draw(st.integers(0, size - 1).filter(lambda one: one != index) | st.just(size))
    bit = 1 << data.draw(st.integers(0, 7))

    assert not verify_inclusion(HASHES[index], other, size, path, ALL[size])
    assert not verify_inclusion(flipped(HASHES[index], bit), index, size, path, ALL[size])
    assert not verify_inclusion(HASHES[index], index, size, path, flipped(ALL[size], bit))
    assert not verify_inclusion(HASHES[index], index, size, [*path, ALL[0]], ALL[size])
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        assert not verify_inclusion(HASHES[index], index, size, path[:-1], ALL[size])
        changed = [*path[:at], flipped(path[at], bit), *path[at + 1 :]]
        assert not verify_inclusion(HASHES[index], index, size, changed, ALL[size])


@given(st.data())
@settings(max_examples=400)
def test_a_proof_of_consistency_proves_nothing_else(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, LARGEST))
    older = data.draw(st.integers(1, size - 1))
    proof = consistency(node, older, size)
    bit = 1 << data.draw(st.integers(0, 7))
    at = data.draw(st.integers(0, len(proof) - 1))
    changed = [*proof[:at], flipped(proof[at], bit), *proof[at + 1 :]]

    assert not verify_consistency(older, flipped(ALL[older], bit), size, ALL[size], proof)
    assert not verify_consistency(older, ALL[older], size, flipped(ALL[size], bit), proof)
    assert not verify_consistency(older, ALL[older], size, ALL[size], changed)
    assert not verify_consistency(older, ALL[older], size, ALL[size], proof[:-1])
    assert not verify_consistency(older, ALL[older], size, ALL[size], [*proof, ALL[0]])
    assert not verify_consistency(size, ALL[size], older, ALL[older], proof)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3)])
def test_what_is_not_in_a_tree_has_no_path(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="has no leaf"):
        inclusion(node, index, size)
    assert not verify_inclusion(HASHES[0], index, size, [], ALL[size])


def test_a_larger_tree_is_no_beginning() -> None:
    with pytest.raises(ValueError, match="does not begin with"):
        consistency(node, 4, 3)
    assert not verify_consistency(4, ALL[4], 3, ALL[3], [])


def flipped(octets: bytes, bit: int) -> bytes:
    return bytes([octets[0] ^ bit]) + octets[1:]
