"""What is brought to show that something stands in the audit: proofs, checkpoints, paths, keys."""

import struct
from functools import cache
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pipeline.crypto import checkpoint
from pipeline.crypto.merkle import leaf_hash, node_hash
from pipeline.crypto.merkle_proof import inclusion, range_hash, verify_consistency, verify_inclusion
from pipeline.crypto.note import NoteRefused, Verifier
from pipeline.signer.audit import proof
from pipeline.signer.audit.kept import NoCheckpoint, read_file
from tests.fuzz import mutators
from tests.fuzz.as_file import as_file
from tests.fuzz.target import Target

LOG_KEY: Final = Ed25519PrivateKey.from_private_bytes(sha256(b"the log of the corpus").digest())
LEAVES: Final = 13
"""How many leaves the tree of the corpus has: not a power of two."""


def read_proof(octets: bytes) -> None:
    """Check a proof from the audit, and the same octets as a file of kept checkpoints."""
    trusted = [checkpoint.verifier(LOG_KEY.public_key())]
    try:
        found = read_file(as_file("kept", octets), trusted)
    except NoCheckpoint:
        found = []
    for one in found:
        assert checkpoint.read(one.note, trusted) == one
    checked = proof.check(octets, trusted)
    assert checked.head.size > 0


def read_verifier(octets: bytes) -> None:
    """Read a log's verifier key; it is written as it was read."""
    text = octets.decode("utf-8", "replace")
    found = Verifier.read(text)
    assert Verifier.read(str(found)) == found


@cache
def _nodes() -> dict[tuple[int, int], bytes]:
    nodes = {(0, number): leaf_hash(b"%d" % number) for number in range(LEAVES)}
    for level in range(1, 4):
        for number in range(LEAVES >> level):
            left, right = (nodes[level - 1, 2 * number + one] for one in (0, 1))
            nodes[level, number] = node_hash(left, right)
    return nodes


def node(level: int, number: int) -> bytes:
    """Return the hash of a complete subtree of the corpus's tree."""
    return _nodes()[level, number]


def read_path(octets: bytes) -> None:
    """Verify paths in a tree: only the leaf at its place, by its own path, is in it.

    Raises:
        NoteRefused: it is not.
    """
    if len(octets) < 17:
        raise NoteRefused("too short")
    index, size, which = struct.unpack(">qqB", octets[:17])
    path = [octets[at : at + 32] for at in range(17, len(octets), 32)]
    root = range_hash(node, 0, LEAVES)
    leaf = node(0, which % LEAVES)
    if verify_inclusion(leaf, index, size, path, root):
        assert size == LEAVES, "another size has the root of this tree"
        assert index == which % LEAVES, "a leaf is at another place"
        assert path == inclusion(node, index, size)
    elif not verify_consistency(index, leaf, size, root, path):
        raise NoteRefused("neither the one nor the other")
    else:
        assert (index, size) == (1, LEAVES)
        assert leaf == node(0, 0)


PROOF: Final = Target(
    "proof",
    read_proof,
    (proof.ProofRefused,),
    (
        "pipeline.signer.audit.proof",
        "pipeline.signer.audit.kept",
        "pipeline.crypto.checkpoint",
        "pipeline.crypto.note",
    ),
    mutators.json_value,
    ("httpca-audit-proof", "checkpoints", "note", "httpca/audit/", "-----BEGIN CERTIFICATE-----"),
)
VERIFIER: Final = Target(
    "verifier", read_verifier, (NoteRefused,), ("pipeline.crypto.note",), mutators.octets
)
PATH: Final = Target(
    "path", read_path, (NoteRefused,), ("pipeline.crypto.merkle_proof",), mutators.octets
)
