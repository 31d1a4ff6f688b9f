"""`httpca restore` on SQLite: what went in comes out, and nothing is overwritten."""

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from pipeline.backup import archive
from pipeline.cli import main
from pipeline.clock import now
from pipeline.database.engine import open_database
from pipeline.signer import tables as signer_tables
from pipeline.signer.operate import suspended
from pipeline.web import tables as web_tables
from settings.signer import load_signer
from tests.unit.backup.losses import Output, back_up, contents, lose

ROLES = ("web", "signer", "approvers/approver")


@pytest.mark.parametrize("role", ROLES)
def test_a_folder_comes_back_as_it_was_and_only_its_owner_can_read_it(ca: Path, role: str) -> None:
    (ca / role / "data").mkdir(exist_ok=True)
    (ca / role / "data" / "empty").mkdir()
    file = back_up(ca, role)
    lost = lose(ca, role)

    assert main(["restore", str(file), "--config", str(ca / role)]) == 0

    assert contents(ca / role) == contents(lost)
    for path in (ca / role, *(ca / role).rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


@pytest.mark.parametrize("side", ["web", "signer"])
def test_a_database_comes_back_with_what_was_committed_while_others_use_it(
    ca: Path, side: str
) -> None:
    tables = signer_tables if side == "signer" else web_tables
    (found,) = (ca / side / "data").glob("*.db")
    database = open_database(f"sqlite:///{found}")
    with database.write() as connection:
        connection.execute(tables.audit.insert().values(at=now(), event="before", details={"n": 1}))
    with database.engine.connect() as writer:
        writer.execution_options(httpca_write=True)
        writer.execute(tables.audit.insert().values(at=now(), event="uncommitted", details={}))
        file = back_up(ca, side)
        writer.rollback()
    database.dispose()
    lose(ca, side)

    assert main(["restore", str(file), "--config", str(ca / side)]) == 0

    database = open_database(f"sqlite:///{found}")
    with database.read() as connection:
        events = connection.scalars(select(tables.audit.c.event).order_by(tables.audit.c.id)).all()
    database.dispose()
    assert events.index("before") < events.index("restored")
    assert "uncommitted" not in events
    assert main(["migrate", "--config", str(ca / side)]) == 0


def test_a_restored_signer_is_suspended_and_says_why(ca: Path, capsys: Output) -> None:
    file = back_up(ca)
    lose(ca, "signer")
    assert main(["restore", str(file), "--config", str(ca / "signer")]) == 0
    assert "Signing is suspended until" in capsys.readouterr().out

    database = open_database(load_signer(ca / "signer").database)
    with database.read() as connection:
        assert suspended(connection)
        reason = connection.scalar(select(signer_tables.switches.c.reason))
        events = connection.scalars(select(signer_tables.audit.c.event)).all()
    database.dispose()
    assert reason is not None
    assert "httpca signer reconcile" in reason
    assert {"restored", "signing-suspended"} <= set(events)


def test_an_operator_s_own_suspension_before_the_backup_is_no_obstacle(ca: Path) -> None:
    assert main(["signer", "suspend", "--reason", "mine", "--config", str(ca / "signer")]) == 0
    file = back_up(ca)
    lose(ca, "signer")
    assert main(["restore", str(file), "--config", str(ca / "signer")]) == 0


def test_nothing_is_written_over_a_folder_that_is_there(ca: Path, capsys: Output) -> None:
    file = back_up(ca)
    before = contents(ca / "signer")
    assert main(["restore", str(file), "--config", str(ca / "signer")]) == 1
    assert "is there already, and nothing is overwritten" in capsys.readouterr().err
    assert contents(ca / "signer") == before


def test_nothing_is_written_over_a_database_that_is_there(ca: Path, capsys: Output) -> None:
    file = back_up(ca)
    arguments = ["restore", str(file), "--config", str(ca / "signer"), "--database-only"]
    assert main(arguments) == 1
    assert "signer.db is there already" in capsys.readouterr().err
    for database in (ca / "signer" / "data").glob("*.db*"):
        database.unlink()
    assert main(arguments) == 0
    assert "Restored the database of role signer at revision" in capsys.readouterr().out
    assert main(["signer", "resume", "--config", str(ca / "signer")]) == 0


def test_a_database_that_is_not_migrated_yet_is_backed_up_and_comes_back_to_be_migrated(
    ca: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    """As before an upgrade: the new release is installed, and the database is of the old one."""
    url = load_signer(ca / "signer").database
    database = open_database(url)
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'signer_0000'")
    database.dispose()
    file = back_up(ca)
    lose(ca, "signer")
    monkeypatch.setattr("pipeline.backup.restore.knows", lambda *_: True)

    assert main(["restore", str(file), "--config", str(ca / "signer")]) == 0

    assert f"httpca migrate --config {ca / 'signer'}" in capsys.readouterr().out
    manifest = archive.unpack(file)
    assert manifest.database is not None
    assert manifest.database.revision == "signer_0000"
    database = open_database(url)
    with database.read() as connection:
        found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    database.dispose()
    assert found == "signer_0000"


def test_a_database_outside_of_the_folder_goes_back_to_its_place(ca: Path) -> None:
    place = ca.parent / "elsewhere" / "signer.db"
    place.parent.mkdir()
    file = ca / "signer" / "settings.toml"
    file.write_text(file.read_text().replace("sqlite:///data/signer.db", f"sqlite:///{place}"))
    assert main(["migrate", "--config", str(ca / "signer")]) == 0
    backup = back_up(ca)
    lose(ca, "signer")
    place.unlink()

    assert main(["restore", str(backup), "--config", str(ca / "signer")]) == 0

    with closing(sqlite3.connect(place)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() is not None
    assert [one.name for one in place.parent.iterdir()] == ["signer.db"]
