"""Make a backup of one role's folder and database.

The database first, then the folder: so whatever the database speaks of (an issuing CA, an approver)
has its file. Nothing needs to be stopped meanwhile.
"""

import tempfile
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from sqlalchemy import make_url

from pipeline.backup import archive, folder, manifest, postgresql, sqlite
from pipeline.backup.errors import BackupError
from pipeline.backup.manifest import DatabaseContent, Manifest
from pipeline.database.engine import open_database
from pipeline.database.migrate import Side, current


def save(
    directory: Path, role: str, database: tuple[Side, str] | None, target: Path, now: datetime
) -> Manifest:
    """Write a role's backup to the new file ``target``; return what is in it.

    ``database`` is the side and the URL of its database, for a role that has one.

    Raises:
        BackupError: it cannot be made; then there is no file.
        SettingsError: the database is not one of this side, or was never set up.
    """
    if not target.parent.is_dir():
        raise BackupError(f"there is no folder {target.parent}; make it first")
    if target.resolve().is_relative_to(directory.resolve()):
        raise BackupError(f"{target} lies in the folder that is backed up; choose another place")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".httpca-backup-") as scratch:
        dumped, found = None, None
        if database is not None:
            dumped = Path(scratch, archive.DATABASE)
            found = _dump(directory, *database, dumped)
        folders, files = folder.collect(directory, _own_files(database))
        stated = Manifest(
            format=manifest.FORMAT,
            httpca=version("httpca"),
            role=role,
            made_at=now,
            folders=folders,
            files={path: archive.content_of(octets) for path, octets in files.items()},
            plain_keys=folder.plain_keys(files),
            database=found,
        )
        written = Path(scratch, "backup")
        archive.write(written, stated, files, dumped)
        archive.put(written, target)
    return stated


def _dump(directory: Path, side: Side, url: str, target: Path) -> DatabaseContent:
    place = _place(url)
    if place is not None:
        sqlite.check_there(place)
    database = open_database(url, pool_size=1)
    try:
        revision = current(database, side)  # an earlier one is welcome: one backs up, then migrates
    finally:
        database.dispose()
    if revision is None:
        problem = f"the database of {directory} was never set up"
        raise BackupError(f"{problem}; run httpca migrate --config {directory}")
    if place is not None:
        sqlite.dump(place, target)
        kind: Literal["postgresql", "sqlite"] = "sqlite"
    else:
        postgresql.dump(url, target)
        kind = "postgresql"
    with target.open("rb") as file:
        size, digest = archive.measure(file)
    return DatabaseContent(size=size, sha256=digest, kind=kind, revision=revision)


def _own_files(database: tuple[Side, str] | None) -> set[Path]:
    """Return the files of an SQLite database, which are backed up as a database."""
    place = _place(database[1]) if database is not None else None
    return set(sqlite.files_of(place)) if place is not None else set()


def _place(url: str) -> Path | None:
    """Return where the file of an SQLite database is; None for another database."""
    parts = make_url(url)
    return Path(parts.database or "") if parts.get_backend_name() == "sqlite" else None
