"""Restore a role's folder and database from a backup.

Everything is checked before anything is written, nothing is ever overwritten, and the folder appears
last: so no process starts from it before its database is there.
"""

import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.sql.dml import UpdateBase

from pipeline.backup import archive, postgresql, sqlite
from pipeline.backup.errors import BackupError
from pipeline.backup.manifest import DatabaseContent, Manifest
from pipeline.database.engine import open_database
from pipeline.database.migrate import Side, knows
from pipeline.setup.files import sync_folder

Then = Callable[[Manifest], Sequence[UpdateBase]]
"""What is to be done in the restored database before anybody sees it."""

Locate = Callable[[str, Path], tuple[Side, str] | None]
"""Given a role and its folder, the side and the URL of its database, if it has one."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is restored where; ``database_only`` leaves the folder, which is there, as it is."""

    file: Path
    directory: Path
    database_only: bool = False


def restore(wanted: Wanted, locate: Locate, then: Then) -> Manifest:
    """Restore a backup; return its manifest.

    Raises:
        BackupError: it is damaged or of another release, or something is there already; then
            nothing was changed.
        SettingsError: the settings in it cannot be used.
    """
    directory = wanted.directory.resolve()
    if not wanted.database_only:
        _check_free(directory)
    with _staging(directory) as staging:
        manifest = archive.unpack(wanted.file, staging)
        source = staging / archive.FOLDER
        found = locate(manifest.role, directory if wanted.database_only else source)
        if (found is None) is not (manifest.database is None):
            raise BackupError(f"{wanted.file} has no database, and role {manifest.role} needs one")
        if found is not None and manifest.database is not None:
            side, url = found
            _check_schema(wanted.file, manifest, manifest.database, side)
            _put(staging, manifest.database, url, then(manifest))
        elif wanted.database_only:
            raise BackupError(f"{wanted.file} has no database; restore the whole of it")
        if not wanted.database_only:
            source.rename(directory)
            sync_folder(directory.parent)
    return manifest


def _put(
    staging: Path, content: DatabaseContent, url: str, statements: Sequence[UpdateBase]
) -> None:
    parts, dumped = make_url(url), staging / archive.DATABASE
    kind = "sqlite" if parts.get_backend_name() == "sqlite" else "postgresql"
    if content.kind != kind:
        raise BackupError(
            f"the backup is of a database of kind {content.kind}, and the settings name one of kind"
            f" {kind}; restore it to the same kind"
        )
    if kind == "sqlite":
        place = Path(parts.database or "")
        sqlite.check_free(place)
        sqlite.check(dumped)
        _execute(f"sqlite:///{dumped}", statements)
        sqlite.put(dumped, place)
        return
    postgresql.check_dump(dumped)
    database = open_database(url, pool_size=1)
    try:
        postgresql.check_free(database)
    finally:
        database.dispose()
    postgresql.load(url, dumped, statements)


def _execute(url: str, statements: Sequence[UpdateBase]) -> None:
    database = open_database(url, pool_size=1)
    try:
        with database.write() as connection:
            for statement in statements:
                connection.execute(statement)
    finally:
        database.dispose()


def _check_schema(file: Path, manifest: Manifest, content: DatabaseContent, side: Side) -> None:
    if not knows(side, content.revision):
        raise BackupError(
            f"{file} was made by HttpCA {manifest.httpca}, with the database at revision"
            f" {content.revision}, which this release does not know; restore it with that release"
        )


def _check_free(directory: Path) -> None:
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise BackupError(
            f"{directory} is there already, and nothing is overwritten; move it away first, or"
            " restore --database-only"
        )


@contextmanager
def _staging(directory: Path) -> Iterator[Path]:
    """Make a folder beside the wanted one that only its owner can enter, and that is removed."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    staging = directory.parent / f".{directory.name}.{secrets.token_hex(8)}"
    staging.mkdir(mode=0o700)
    try:
        yield staging
    finally:
        shutil.rmtree(staging)
