"""Checkpoints kept in files, outside the database: who changes the log there does not change these.

``latest.txt`` is the last one that was signed, ``told.txt`` the last one that the web side was told,
``YEAR-MONTH.txt`` all of a month, one after the other, and ``forked-SIZE-ROOT.txt`` one that the log no
longer continues.
"""

import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from pipeline.crypto import checkpoint
from pipeline.crypto.checkpoint import Signed
from pipeline.crypto.note import NoteRefused, Verifier, split
from pipeline.errors import HttpcaError, SettingsError, in_words

LATEST: Final = "latest.txt"
TOLD: Final = "told.txt"


class NoCheckpoint(HttpcaError):
    """A file holds something that is no checkpoint of this log."""


class NotKept(HttpcaError):
    """A checkpoint cannot be written to its file."""


class Kept:
    """The folder of kept checkpoints."""

    def __init__(self, folder: Path, trusted: Sequence[Verifier]) -> None:
        self.folder = folder
        self._trusted = trusted

    def read(self, name: str) -> Signed | None:
        """Return the checkpoint in a file of the folder; None when there is no such file.

        Raises:
            SettingsError: the file cannot be read, or is no checkpoint of this log.
        """
        file = self.folder / name
        try:
            return checkpoint.read(file.read_text("utf-8"), self._trusted)
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError, NoteRefused) as error:
            raise SettingsError(
                file, "", f"cannot be read as a checkpoint: {in_words(error)}"
            ) from error

    def keep(self, signed: Signed, now: datetime) -> None:
        """Keep a checkpoint as the latest, and among those of its month.

        Raises:
            NotKept: a file cannot be written.
        """
        month = self.folder / f"{now:%Y-%m}.txt"
        with _named(month):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _append(month, signed.note.encode())
        self.write(LATEST, signed)

    def write(self, name: str, signed: Signed) -> None:
        """Write a checkpoint to a file of the folder, whole or not at all.

        Raises:
            NotKept: it cannot be written.
        """
        draft = self.folder / f".{name}.{os.getpid()}-{threading.get_ident()}"
        with _named(self.folder / name):
            with draft.open("wb") as file:
                file.write(signed.note.encode())
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.folder / name)

    def put_aside(self, signed: Signed) -> None:
        """Keep the latest checkpoint apart: the log no longer continues it."""
        (self.folder / LATEST).replace(
            self.folder / f"forked-{signed.size}-{signed.root.hex()[:16]}.txt"
        )


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Let an error of the system say which file it is about."""
    try:
        yield
    except OSError as error:
        raise NotKept(f"{file} cannot be written: {in_words(error)}") from error


def _append(file: Path, octets: bytes) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        before = os.fstat(descriptor).st_size
        try:
            while octets:
                octets = octets[os.write(descriptor, octets) :]
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, before)  # half a note would spoil those that follow it
            raise
    finally:
        os.close(descriptor)


def read_file(file: Path, trusted: Sequence[Verifier]) -> list[Signed]:
    """Read checkpoints that somebody kept: notes one after the other, or the web side's JSON.

    Raises:
        NoCheckpoint: the file cannot be read, or something in it is no checkpoint of this log.
    """
    try:
        text = file.read_text("utf-8")
        notes = _from_json(text) if text.lstrip().startswith("{") else split(text)
        found = [checkpoint.read(note, trusted) for note in notes]
    except (OSError, UnicodeDecodeError, NoteRefused) as error:
        raise NoCheckpoint(f"{file}: {in_words(error)}") from error
    if not found:
        raise NoCheckpoint(f"{file}: holds no checkpoint")
    return found


def _from_json(text: str) -> list[str]:
    try:
        return [str(one["note"]) for one in json.loads(text)["checkpoints"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise NoteRefused("this is not the JSON in which the web side lists checkpoints") from error
