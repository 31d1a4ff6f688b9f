"""Backup and restore of a PostgreSQL database, by PostgreSQL's own programs."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.sql.dml import UpdateBase

from pipeline.backup import archive, postgresql
from pipeline.backup.errors import BackupError
from pipeline.cli import main
from pipeline.clock import now
from pipeline.database.engine import open_database
from pipeline.signer.restored import suspend
from pipeline.signer.tables import audit, switches
from tests.servers import PostgreSQL

NAME = "backup_signer"


@pytest.fixture
def ca(tmp_path: Path, postgresql: PostgreSQL) -> Iterator[Path]:
    url = postgresql.create_database(NAME)
    assert main(["setup", str(tmp_path / "ca"), "--signer-database", url]) == 0
    assert main(["migrate", "--config", str(tmp_path / "ca" / "signer")]) == 0
    yield tmp_path / "ca"
    postgresql.drop_database(NAME)


@pytest.fixture
def backup(ca: Path) -> Path:
    file = ca.parent / "signer.tar"
    assert main(["backup", str(file), "--config", str(ca / "signer")]) == 0
    return file


def empty(server: PostgreSQL) -> None:
    server.drop_database(NAME)
    server.create_database(NAME)


def tables(server: PostgreSQL) -> int:
    database = open_database(server.url(NAME))
    with database.read() as connection:
        found = len(connection.execute(postgresql.ANY_TABLE).all())
    database.dispose()
    return found


def test_a_database_comes_back_and_is_suspended_in_the_same_transaction(
    ca: Path, postgresql: PostgreSQL
) -> None:
    database = open_database(postgresql.url(NAME))
    said = "it's 100 % “odd” \\ :name\n--"
    with database.write() as connection:
        connection.execute(insert(audit).values(at=now(), event="before", details={"said": said}))
    file = ca.parent / "signer.tar"
    assert main(["backup", str(file), "--config", str(ca / "signer")]) == 0
    database.dispose()
    empty(postgresql)
    (ca / "signer").rename(ca.parent / "lost")

    assert main(["restore", str(file), "--config", str(ca / "signer")]) == 0

    with database.read() as connection:
        entries = connection.execute(select(audit).order_by(audit.c.id)).all()
        switch = connection.execute(select(switches)).one()
    database.dispose()
    found = [entry.event for entry in entries]
    assert found == ["schema-migrated", "before", "restored", "signing-suspended"]
    assert entries[1].details == {"said": said}
    assert switch.on
    assert entries[2].at == entries[3].at == switch.changed_at
    assert main(["migrate", "--config", str(ca / "signer")]) == 0
    assert main(["signer", "resume", "--config", str(ca / "signer")]) == 0


def test_a_database_that_is_not_empty_is_not_touched(
    ca: Path, backup: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["restore", str(backup), "--config", str(ca / "signer"), "--database-only"]
    assert main(arguments) == 1
    assert "is not empty" in capsys.readouterr().err


def test_what_fails_half_way_leaves_the_database_empty(
    ca: Path, backup: Path, postgresql: PostgreSQL, tmp_path: Path
) -> None:
    """Also when it fails at the very end, with all rows loaded."""
    (tmp_path / "staging").mkdir()
    archive.unpack(backup, tmp_path / "staging")
    dumped = tmp_path / "staging" / "database"
    empty(postgresql)
    twice = suspend(now(), "operator", now())[1:2] * 2

    with pytest.raises(BackupError, match=r"psql could not load the database: .*duplicate key"):
        load(postgresql, dumped, twice)
    assert tables(postgresql) == 0

    cut = tmp_path / "cut"
    cut.write_bytes(dumped.read_bytes()[: dumped.stat().st_size // 2])
    with pytest.raises(BackupError, match="pg_restore"):
        load(postgresql, cut, [])
    assert tables(postgresql) == 0

    load(postgresql, dumped, [])
    assert tables(postgresql) == 1


def load(server: PostgreSQL, dumped: Path, then: Sequence[UpdateBase]) -> None:
    postgresql.load(server.url(NAME), dumped, then)


def test_programs_that_are_missing_are_named(
    ca: Path,
    backup: Path,
    postgresql: PostgreSQL,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    empty(postgresql)
    monkeypatch.setenv("PATH", str(ca))
    arguments = ["restore", str(backup), "--config", str(ca / "signer"), "--database-only"]
    assert main(arguments) == 1
    assert "pg_restore is not installed here" in capsys.readouterr().err
    postgresql.create_database(NAME)
    assert main(["migrate", "--config", str(ca / "signer")]) == 0
    assert main(["backup", str(ca.parent / "b"), "--config", str(ca / "signer")]) == 1
    assert "pg_dump is not installed here" in capsys.readouterr().err
    assert not (ca.parent / "b").exists()


def test_a_server_that_is_away_is_said_without_a_password(
    ca: Path, backup: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = "postgresql+psycopg://signer:hush@127.0.0.1:1/none"
    monkeypatch.setenv("HTTPCA_SIGNER_DATABASE", url)
    arguments = ["restore", str(backup), "--config", str(ca / "signer"), "--database-only"]
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert "cannot be used" in said
    assert "hush" not in said


def test_a_password_never_stands_in_a_command_line() -> None:
    url = "postgresql+psycopg://signer:hu%3Ash@db.example:5433/name?sslmode=verify-full"
    assert postgresql._environment(url)["PGPASSWORD"] == "hu:sh"
    assert (
        postgresql._without_password(url)
        == "postgresql://signer@db.example:5433/name?sslmode=verify-full"
    )


def test_nor_does_one_that_stands_among_the_options_of_a_url() -> None:
    url = "postgresql+psycopg://signer@/name?host=/run/postgresql&password=hush"
    assert postgresql._environment(url)["PGPASSWORD"] == "hush"
    assert "hush" not in postgresql._without_password(url)
    with pytest.raises(BackupError, match="sslpassword by their command line only"):
        postgresql._without_password(f"{url}&sslpassword=hush")


def test_what_is_done_in_the_restored_database_is_literal_sql() -> None:
    (_, switch, *_) = suspend(now(), "o'brien", now())
    assert "o''brien" in postgresql._literally(switch)
    assert text(postgresql._literally(switch)) is not None
