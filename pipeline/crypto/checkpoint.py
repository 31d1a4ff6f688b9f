"""Checkpoints (C2SP tlog-checkpoint): a signed note that says how large a log is, and its root."""

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from pipeline.crypto import note
from pipeline.crypto.merkle import HASH_BYTES
from pipeline.crypto.note import NoteRefused, Verifier

_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,17}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's head: ``origin`` names the log, ``size`` counts its entries, ``root`` is 32 bytes."""

    origin: str
    size: int
    root: bytes

    def __str__(self) -> str:
        root = base64.b64encode(self.root).decode("ascii")
        return f"{self.origin}\n{self.size}\n{root}\n"


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint that a trusted key signed, with the whole note."""

    checkpoint: Checkpoint
    note: str

    @property
    def size(self) -> int:
        """How many entries the log has."""
        return self.checkpoint.size

    @property
    def root(self) -> bytes:
        """The root of the log's tree."""
        return self.checkpoint.root


def verifier(key: Ed25519PublicKey) -> Verifier:
    """Return a log's verifier key, whose name is the log's origin and follows from the key."""
    digest = sha256(key.public_bytes_raw()).hexdigest()
    return Verifier(f"httpca/audit/{digest[:16]}", key)


def sign(size: int, root: bytes, key: Ed25519PrivateKey) -> Signed:
    """Return the signed checkpoint of the log whose key this is."""
    origin = verifier(key.public_key()).name
    checkpoint = Checkpoint(origin, size, root)
    return Signed(checkpoint, note.sign(str(checkpoint), origin, key))


def read(written: str, trusted: Iterable[Verifier]) -> Signed:
    """Read a signed checkpoint.

    Raises:
        NoteRefused: it is none, or no key signed it that is trusted for the log that it names.
    """
    text, key = note.open_note(written, trusted)
    origin, size, root, *_extensions = [*text.split("\n"), "", "", ""]
    try:
        hashed = base64.b64decode(root, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteRefused("a checkpoint's root is written in base64") from error
    if _SIZE.fullmatch(size) is None or len(hashed) != HASH_BYTES:
        raise NoteRefused("a checkpoint has the lines origin, size and root")
    if origin != key.name:
        raise NoteRefused(f"{key.name} signed a checkpoint of another log")
    return Signed(Checkpoint(origin, int(size), hashed), written)
