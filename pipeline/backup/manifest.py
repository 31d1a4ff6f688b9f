"""What a backup says of itself: whose it is, when it was made, and the digest of everything in it."""

from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from pipeline.backup.errors import BackupError

FORMAT: Final = 1
"""The form of backups that this release writes; it reads no other."""

Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


LONGEST_NAME: Final = 255
"""Octets of a file's name (NAME_MAX of Linux)."""


class Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file in a backup: its size in bytes and its SHA-256 in hexadecimal."""

    size: Annotated[int, Meta(ge=0)]
    sha256: Sha256


class DatabaseContent(Content, frozen=True, forbid_unknown_fields=True):
    """The database in a backup: of which kind, and at which revision of its schema."""

    kind: Literal["postgresql", "sqlite"]
    revision: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is in a backup.

    ``httpca`` is the release that made it. ``folders`` and ``files`` are paths below the role's
    folder. ``database`` is None where the role has none. ``plain_keys`` are the private keys that
    are not encrypted.
    """

    format: int
    httpca: str
    role: str
    made_at: datetime
    folders: list[str]
    files: dict[str, Content]
    plain_keys: list[str]
    database: DatabaseContent | None = None


def encode(manifest: Manifest) -> bytes:
    """Write a manifest as JSON."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1)


def decode(octets: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        BackupError: it is none, is of another format, or names a path outside the folder.
    """
    try:
        found = msgspec.json.decode(octets)
        if isinstance(found, dict) and found.get("format", FORMAT) != FORMAT:
            raise BackupError(
                f"this backup has format {found['format']}, and this release reads format {FORMAT};"
                " restore it with the release that made it, or a later one"
            )
        manifest = msgspec.json.decode(octets, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BackupError(f"its manifest cannot be read ({error}); it is damaged") from error
    folders = {"", *manifest.folders}
    paths = [*manifest.folders, *manifest.files]
    for path in paths:
        if not _stays_inside(path):
            raise BackupError(f"it names the path {path!r}, outside of the folder; do not use it")
        if paths.count(path) > 1 or path.rpartition("/")[0] not in folders:
            raise BackupError(f"it names {path!r} twice, or without its folder; it is damaged")
        if any(len(part.encode()) > LONGEST_NAME for part in path.split("/")):
            raise BackupError(f"it names {path!r}, which is no name for a file; it is damaged")
    return manifest


def _stays_inside(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith("/") and ".." not in parts and "\0" not in path
