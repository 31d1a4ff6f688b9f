"""An SQLite database into a file and back, while others read and write it."""

import os
import secrets
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from pipeline.backup.errors import BackupError
from pipeline.crypto import private_file
from pipeline.setup.files import sync_folder


def files_of(database: Path) -> list[Path]:
    """Return the files that SQLite may keep for a database, the database first."""
    return [database, *(Path(f"{database}{end}") for end in ("-wal", "-shm", "-journal"))]


def check_there(database: Path) -> None:
    """Check that there is a database, which SQLite would otherwise make.

    Raises:
        BackupError: there is none.
    """
    if not database.is_file():
        raise BackupError(f"there is no database {database}; run httpca migrate first")


def dump(database: Path, target: Path) -> None:
    """Copy a database by SQLite's own backup, which sees the state of one moment.

    Raises:
        BackupError: it cannot be read.
    """
    try:
        with (
            closing(sqlite3.connect(f"file:{quote(str(database))}?mode=rw", uri=True)) as source,
            closing(sqlite3.connect(target)) as copy,
        ):
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a companion
    except sqlite3.Error as error:
        raise BackupError(f"the database {database} cannot be copied: {error}") from error


def check_free(database: Path) -> None:
    """Check that nothing lies where a database is to be restored.

    Raises:
        BackupError: there is something.
    """
    for file in files_of(database):
        if file.exists():
            raise BackupError(
                f"{file} is there already, and nothing is overwritten; move it away first"
            )


def check(dumped: Path) -> None:
    """Let SQLite check that a dumped database is whole.

    Raises:
        BackupError: it is damaged.
    """
    try:
        with closing(sqlite3.connect(f"file:{quote(str(dumped))}?mode=rw", uri=True)) as found:
            state = found.execute("PRAGMA integrity_check").fetchone()[0]
    except sqlite3.Error as error:
        state = str(error)
    if state != "ok":
        raise BackupError(f"the database in the backup is damaged: {state}")


def put(dumped: Path, database: Path) -> None:
    """Copy a dumped database to its place; root gives it to the owner of the folder that it comes into.

    Raises:
        FileExistsError: there is a database already.
    """
    database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = database.with_name(f".{database.name}.{secrets.token_hex(8)}")
    try:
        with dumped.open("rb") as source, private_file.create(draft) as sink:
            shutil.copyfileobj(source, sink)
            sink.flush()
            os.fsync(sink.fileno())
        os.link(draft, database)  # unlike a renaming, it never takes the place of another file
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(database.parent)
