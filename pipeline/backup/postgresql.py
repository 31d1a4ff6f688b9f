"""A PostgreSQL database into a file and back, by PostgreSQL's own programs.

Passwords go by the environment, never by a command line, which everybody on the host can read.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from sqlalchemy import URL, make_url, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.dml import UpdateBase

from pipeline.backup.errors import BackupError
from pipeline.database.engine import Database

ANY_TABLE: Final = text(
    "SELECT table_name FROM information_schema.tables"
    " WHERE table_schema NOT IN ('pg_catalog', 'information_schema') LIMIT 1"
)

OWNERS: Final = (
    "; this takes the account that owns the tables, by HTTPCA_WEB_DATABASE or HTTPCA_SIGNER_DATABASE:"
    " see Backup in docs/operate.md"
)


def dump(url: str, target: Path) -> None:
    """Write a database in PostgreSQL's custom format, as it is at one moment.

    Raises:
        BackupError: pg_dump is not installed, or failed.
    """
    command = [_program("pg_dump"), "--format=custom", "--no-password", "--file", str(target)]
    _run("pg_dump", [*command, "--dbname", _without_password(url)], url)


def check_dump(dumped: Path) -> None:
    """Check that pg_restore can read a dump.

    Raises:
        BackupError: it cannot, or is not installed.
    """
    _run("pg_restore", [_program("pg_restore"), "--list", str(dumped)], "")
    _program("psql")


def check_free(database: Database) -> None:
    """Check that a database, which is to be restored, is empty.

    Raises:
        BackupError: it has tables.
    """
    with database.read() as connection:
        table = connection.scalar(ANY_TABLE)
    if table is not None:
        raise BackupError(
            f"the database {database.shown} is not empty (it has the table {table}), and nothing is"
            " overwritten; name an empty one, or drop it and make it anew"
        )


def load(url: str, dumped: Path, then: Sequence[UpdateBase]) -> None:
    """Load a dump, and execute ``then``, in one transaction: nobody ever sees one without the other.

    Owner and rights are those of whoever restores; `httpca migrate` and the grants see to the rest.

    Raises:
        BackupError: a program is not installed, or failed; then the database is as it was.
    """
    reading = [_program("pg_restore"), "--no-owner", "--no-privileges", "--file=-", str(dumped)]
    writing = [_program("psql"), "--no-psqlrc", "--quiet", "--no-password", "--output=/dev/null"]
    writing += ["--set", "ON_ERROR_STOP=1", "--dbname", _without_password(url)]
    complete = False
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as read:
        with subprocess.Popen(
            writing, stdin=subprocess.PIPE, stderr=said, env=_environment(url)
        ) as psql:
            assert psql.stdin is not None  # noqa: S101 - a pipe was asked for
            with suppress(BrokenPipeError), psql.stdin as script:  # who has ended says why
                complete = _send(reading, script, read, then)
        if psql.returncode != 0:
            raise BackupError(f"psql could not load the database: {_last(said)}")
        if not complete:  # then no COMMIT was sent
            raise BackupError(f"pg_restore cannot read the dump: {_last(read)}")


def _send(
    reading: list[str], script: IO[bytes], errors: IO[bytes], then: Sequence[UpdateBase]
) -> bool:
    """Send the script; return whether all of it was, with its COMMIT.

    Raises:
        BrokenPipeError: psql has ended.
    """
    with subprocess.Popen(reading, stdout=subprocess.PIPE, stderr=errors) as pg_restore:
        assert pg_restore.stdout is not None  # noqa: S101 - a pipe was asked for
        script.write(b"BEGIN;\n")
        shutil.copyfileobj(pg_restore.stdout, script)
        if pg_restore.wait() != 0:
            return False
    script.write(b"RESET search_path;\n")
    for statement in then:
        script.write(f"{_literally(statement)};\n".encode())
    script.write(b"COMMIT;\n")
    script.flush()
    return True


def _literally(statement: UpdateBase) -> str:
    dialect = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]
    return str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise BackupError(
            f"{name} is not installed here; install the package postgresql-client, of the server's"
            " version or a later one"
        )
    return found


def _run(name: str, command: list[str], url: str) -> None:
    done = subprocess.run(command, env=_environment(url), capture_output=True, check=False)
    if done.returncode:
        raise BackupError(f"{name} failed: {_sentence(done.stderr)}")


def _environment(url: str) -> dict[str, str]:
    parts = make_url(url) if url else None
    password = (parts.password or parts.query.get("password")) if parts is not None else None
    return {**os.environ, "LC_ALL": "C", "PGAPPNAME": "httpca-backup"} | (
        {"PGPASSWORD": str(password)} if password is not None else {}
    )


def _without_password(url: str) -> str:
    parts: URL = make_url(url).set(drivername="postgresql")
    if "sslpassword" in parts.query:
        raise BackupError(
            "PostgreSQL's programs take sslpassword by their command line only, which everybody on the"
            " host can read: leave it out of the URL, and name a TLS key that needs none"
        )
    return parts._replace(password=None).difference_update_query(["password"]).render_as_string()


def _last(file: IO[bytes]) -> str:
    file.seek(0)
    return _sentence(file.read())


def _sentence(said: bytes) -> str:
    lines = said.decode("utf-8", "replace").strip().splitlines()
    sentence = " ".join(lines[-3:]) if lines else "it did not say why"
    return f"{sentence}{OWNERS}" if "permission denied" in sentence else sentence
