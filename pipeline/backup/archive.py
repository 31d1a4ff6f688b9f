"""The file of a backup: a tar archive that begins with its manifest.

``manifest.json``, its digest as ``manifest.sha256``, then ``folder/PATH`` for every file, and
``database``. Digests find damage. They do not find forgery: who can write the file can write them.
"""

import hashlib
import io
import os
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from pipeline.backup import manifest as manifests
from pipeline.backup.errors import BackupError
from pipeline.backup.manifest import Content, Manifest
from pipeline.setup.files import sync_folder

MANIFEST: Final = "manifest.json"
MANIFEST_DIGEST: Final = "manifest.sha256"
FOLDER: Final = "folder"
DATABASE: Final = "database"

LARGEST_MANIFEST: Final = 16 * 1024 * 1024
"""Bytes; so that a file that is no backup fills no memory."""

CHUNK: Final = 1024 * 1024


def measure(file: IO[bytes]) -> tuple[int, str]:
    """Return how many bytes a file has, from where it stands, and their SHA-256."""
    digest, size = hashlib.sha256(), 0
    while chunk := file.read(CHUNK):
        digest.update(chunk)
        size += len(chunk)
    return size, digest.hexdigest()


def content_of(octets: bytes) -> Content:
    """Return what a manifest says of a file with these octets."""
    return Content(*measure(io.BytesIO(octets)))


def write(target: Path, manifest: Manifest, files: Mapping[str, bytes], dump: Path | None) -> None:
    """Write a backup to a new file that only its owner can read, on the disk before we go on.

    Raises:
        FileExistsError: there is such a file already.
    """
    with _private(target) as raw:
        with tarfile.open(fileobj=raw, mode="w") as tar:
            stated = manifests.encode(manifest)
            _add(tar, MANIFEST, stated)
            _add(tar, MANIFEST_DIGEST, hashlib.sha256(stated).hexdigest().encode())
            for path, octets in sorted(files.items()):
                _add(tar, f"{FOLDER}/{path}", octets)
            if dump is not None:
                with dump.open("rb") as file:
                    _add_file(tar, DATABASE, file, dump.stat().st_size)
        raw.flush()
        os.fsync(raw.fileno())


def put(written: Path, target: Path) -> None:
    """Give a backup, which lies beside it on the same disk, its name: it is there whole, or not at all.

    Raises:
        BackupError: there is such a file already.
    """
    try:
        with _private(target):  # nobody else takes the name now
            written.replace(target)
    except FileExistsError as error:
        raise BackupError(f"{target} is there already; name a new file") from error
    sync_folder(target.parent)


def unpack(file: Path, staging: Path | None = None) -> Manifest:
    """Check a whole backup, and write what is in it below ``staging`` if that is given.

    Raises:
        BackupError: it is no backup, is damaged, or something is missing or too many.
    """
    with _opened(file) as tar:
        members = iter(tar)
        stated = _small(tar, next(members, None), MANIFEST)
        digest = _small(tar, next(members, None), MANIFEST_DIGEST)
        if digest.decode("ascii", "replace") != hashlib.sha256(stated).hexdigest():
            raise BackupError(f"{file}: the manifest does not have its digest; it is damaged")
        manifest = manifests.decode(stated)
        expected = _expected(manifest)
        if staging is not None:
            for folder in (".", *sorted(manifest.folders)):
                (staging / FOLDER / folder).mkdir(mode=0o700)
        for member in members:
            wanted = expected.pop(member.name, None)
            source = tar.extractfile(member) if member.isreg() else None
            if wanted is None or source is None:
                raise BackupError(f"{file}: {member.name} is not in its manifest; do not use it")
            _take(file, member.name, source, wanted, staging)
        if expected:
            raise BackupError(f"{file}: {min(expected)} is missing; the backup is damaged")
    return manifest


def _expected(manifest: Manifest) -> dict[str, Content]:
    expected: dict[str, Content] = {f"{FOLDER}/{path}": one for path, one in manifest.files.items()}
    if manifest.database is not None:
        expected[DATABASE] = manifest.database
    return expected


def _take(file: Path, name: str, source: IO[bytes], wanted: Content, staging: Path | None) -> None:
    """Compare a file with what the manifest says of it, writing it on the way."""
    if staging is None:
        found = measure(source)
    else:
        target = staging / name
        with _private(target) as sink:
            while chunk := source.read(CHUNK):
                sink.write(chunk)
            sink.flush()
            os.fsync(sink.fileno())
        with target.open("rb") as written:
            found = measure(written)
    if found != (wanted.size, wanted.sha256):
        raise BackupError(f"{file}: {name} does not have its digest; the backup is damaged")


@contextmanager
def _private(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file that only its owner can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        yield file


@contextmanager
def _opened(file: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(file, "r:") as tar:
            yield tar
    except (tarfile.TarError, EOFError) as error:
        raise BackupError(f"{file} is no whole backup of HttpCA ({error})") from error


def _small(tar: tarfile.TarFile, member: tarfile.TarInfo | None, name: str) -> bytes:
    source = None
    fits = member is not None and member.name == name and member.size <= LARGEST_MANIFEST
    if member is not None and fits and member.isreg():  # a link would lead elsewhere, or nowhere
        source = tar.extractfile(member)
    if source is None:
        raise BackupError(f"{tar.name!s} is no backup of HttpCA: it does not begin with its {name}")
    return source.read()


def _add(tar: tarfile.TarFile, name: str, octets: bytes) -> None:
    _add_file(tar, name, io.BytesIO(octets), len(octets))


def _add_file(tar: tarfile.TarFile, name: str, source: IO[bytes], size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    tar.addfile(member, source)
