"""Signed notes (C2SP signed-note): text with Ed25519 signatures, and the keys that they name.

A verifier key is written ``NAME+ID+KEY``: the id in hexadecimal, the key in base64.
"""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_ED25519: Final = b"\x01"
_DASH: Final = "— "
_ID_BYTES: Final = 4
LARGEST: Final = 64 * 1024
"""Bytes of a note that is read."""


class NoteRefused(ValueError):
    """A note is not in its form, or no key that is trusted signed it."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """A key that is trusted to sign notes, by its name."""

    name: str
    key: Ed25519PublicKey

    @property
    def id(self) -> bytes:
        """The four bytes by which a signature names this key."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self._octets).digest()[:_ID_BYTES]

    @property
    def _octets(self) -> bytes:
        return self.key.public_bytes_raw()

    def __str__(self) -> str:
        key = base64.b64encode(_ED25519 + self._octets).decode("ascii")
        return f"{self.name}+{self.id.hex()}+{key}"

    @classmethod
    def read(cls, written: str) -> "Verifier":
        """Read a verifier key.

        Raises:
            NoteRefused: it is none, or its id is not that of its key.
        """
        name, _, rest = written.strip().partition("+")
        identifier, _, key = rest.partition("+")
        octets = _decode(key)
        if not name or octets[:1] != _ED25519 or len(octets) != 33:
            raise NoteRefused("a verifier key is written NAME+ID+KEY, with an Ed25519 key")
        found = cls(name, Ed25519PublicKey.from_public_bytes(octets[1:]))
        if found.id.hex() != identifier:
            raise NoteRefused(f"the id of the verifier key {name} is not that of its key")
        return found


def sign(text: str, name: str, key: Ed25519PrivateKey) -> str:
    """Return the note over ``text``, which ends with a newline."""
    signature = Verifier(name, key.public_key()).id + key.sign(text.encode())
    return f"{text}\n{_DASH}{name} {base64.b64encode(signature).decode('ascii')}\n"


def open_note(note: str, trusted: Iterable[Verifier]) -> tuple[str, Verifier]:
    """Return a note's text and the trusted key that signed it.

    Signatures of other keys are ignored, as the specification has it.

    Raises:
        NoteRefused: it is no note, no trusted key signed it, or such a signature is wrong.
    """
    keys = {(key.name, key.id): key for key in trusted}
    if len(note) > LARGEST or any(char < " " and char != "\n" for char in note):
        raise NoteRefused("this is no signed note")
    text, separator, signatures = note.rpartition("\n\n")
    if not separator or not signatures.endswith("\n"):
        raise NoteRefused("this is no signed note")
    text += "\n"
    for line in signatures[:-1].split("\n"):
        name, signature = _line(line)
        key = keys.get((name, signature[:_ID_BYTES]))
        if key is None:
            continue
        try:
            key.key.verify(signature[_ID_BYTES:], text.encode())
        except InvalidSignature as error:
            raise NoteRefused(f"the signature of {name} is wrong") from error
        return text, key
    raise NoteRefused("no key that is trusted signed this note")


def split(octets: str) -> list[str]:
    """Return the notes that stand one after the other in a file."""
    notes: list[str] = []
    lines: list[str] = []
    signed = False
    for line in octets.splitlines(keepends=True):
        if signed and not line.startswith(_DASH):
            notes.append("".join(lines))
            lines, signed = [], False
        if lines or line.strip():
            lines.append(line)
        signed = line.startswith(_DASH)
    if lines:
        notes.append("".join(lines))
    return notes


def _line(line: str) -> tuple[str, bytes]:
    dash, _, rest = line.partition(" ")
    name, _, signature = rest.partition(" ")
    octets = _decode(signature)
    if dash != _DASH.strip() or not name or len(octets) <= _ID_BYTES:
        raise NoteRefused("a line of signature is not in its form")
    return name, octets


def _decode(written: str) -> bytes:
    try:
        return base64.b64decode(written, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteRefused("what should be base64 is not") from error
