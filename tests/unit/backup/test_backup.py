"""`httpca backup` and `restore` on SQLite: what goes in comes out, and nothing is overwritten."""

import io
import json
import os
import sqlite3
import stat
import tarfile
from collections.abc import Callable
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

Output = pytest.CaptureFixture[str]

ROLES = ("web", "signer", "approvers/approver")


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("a passphrase\n")
    assert main(["setup", str(tmp_path / "ca"), "--passphrase-file", str(passphrase)]) == 0
    for side in ("web", "signer"):
        assert main(["migrate", "--config", str(tmp_path / "ca" / side)]) == 0
    return tmp_path / "ca"


def back_up(ca: Path, role: str = "signer") -> Path:
    file = ca.parent / f"{role.replace('/', '-')}.tar"
    assert main(["backup", str(file), "--config", str(ca / role)]) == 0
    return file


def lose(ca: Path, role: str) -> Path:
    """Move a role's folder away, and return where it is now."""
    return (ca / role).rename(ca.parent / f"{role.replace('/', '-')}.lost")


def contents(folder: Path) -> dict[str, bytes | None]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
        if ".db" not in path.name
    }


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


def test_a_backup_can_be_read_by_its_owner_only(ca: Path) -> None:
    before = os.umask(0)
    try:
        file = back_up(ca)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_it_says_which_keys_are_not_encrypted(ca: Path, capsys: Output) -> None:
    back_up(ca)
    said = capsys.readouterr().out
    assert "Not encrypted in it: audit.key, message.key." in said
    with tarfile.open(ca.parent / "signer.tar") as tar:
        key = tar.extractfile("folder/ca/issuing.key")
        assert key is not None
        assert b"ENCRYPTED PRIVATE KEY" in key.read()


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


def test_a_backup_is_never_overwritten(ca: Path, capsys: Output) -> None:
    file = back_up(ca)
    before = file.read_bytes()
    assert main(["backup", str(file), "--config", str(ca / "signer")]) == 1
    assert "name a new file" in capsys.readouterr().err
    assert file.read_bytes() == before


def test_a_backup_of_a_folder_does_not_go_into_it(ca: Path, capsys: Output) -> None:
    file = ca / "signer" / "data" / "backup.tar"
    assert main(["backup", str(file), "--config", str(ca / "signer")]) == 1
    assert "choose another place" in capsys.readouterr().err


def test_what_is_no_file_is_not_left_out_in_silence(ca: Path, capsys: Output) -> None:
    (ca / "signer" / "elsewhere").symlink_to(ca / "web")
    assert main(["backup", str(ca.parent / "b.tar"), "--config", str(ca / "signer")]) == 1
    assert "elsewhere is neither a file nor a folder" in capsys.readouterr().err
    assert [path.name for path in ca.parent.iterdir() if "backup" in path.name] == []


def test_a_database_that_was_never_set_up_is_not_backed_up(tmp_path: Path, capsys: Output) -> None:
    assert main(["setup", str(tmp_path / "ca")]) == 0
    config = str(tmp_path / "ca" / "signer")
    assert main(["backup", str(tmp_path / "b.tar"), "--config", config]) == 1
    assert "httpca migrate" in capsys.readouterr().err


def test_a_database_that_is_not_migrated_yet_is_backed_up_and_migrated_after_its_restore(
    ca: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As before an upgrade: the new release is installed, and the database is of the old one."""
    database = open_database(load_signer(ca / "signer").database)
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'signer_0000'")
    database.dispose()
    file = back_up(ca)
    lose(ca, "signer")
    monkeypatch.setattr("pipeline.backup.restore.knows", lambda *_: True)

    assert main(["restore", str(file), "--config", str(ca / "signer")]) == 0

    manifest = archive.unpack(file)
    assert manifest.database is not None
    assert manifest.database.revision == "signer_0000"


Spoil = Callable[[dict[str, bytes]], dict[str, bytes] | None]


def manifest_with(members: dict[str, bytes], **changes: object) -> dict[str, bytes]:
    """Change the manifest, and give it its right digest."""
    changed = json.dumps(json.loads(members[archive.MANIFEST]) | changes).encode()
    digest = archive.content_of(changed).sha256.encode()
    return members | {archive.MANIFEST: changed, archive.MANIFEST_DIGEST: digest}


def with_database(members: dict[str, bytes], octets: bytes) -> dict[str, bytes]:
    """Change the database, and give it its right digest."""
    stated = json.loads(members[archive.MANIFEST])["database"]
    content = archive.content_of(octets)
    stated |= {"size": content.size, "sha256": content.sha256}
    return manifest_with(members, database=stated) | {archive.DATABASE: octets}


SPOILT: dict[str, tuple[Spoil, str]] = {
    "a file changed": (
        lambda all_: all_ | {"folder/policy.toml": all_["folder/policy.toml"][:-1] + b"#"},
        "folder/policy.toml does not have its digest",
    ),
    "the database changed": (
        lambda all_: all_ | {"database": all_["database"][:-1] + b"#"},
        "database does not have its digest",
    ),
    "a file shortened": (
        lambda all_: all_ | {"folder/policy.toml": all_["folder/policy.toml"][:-1]},
        "folder/policy.toml does not have its digest",
    ),
    "a file missing": (
        lambda all_: {name: one for name, one in all_.items() if name != "folder/message.key"},
        "folder/message.key is missing",
    ),
    "no database": (
        lambda all_: {name: one for name, one in all_.items() if name != "database"},
        "database is missing",
    ),
    "a file too many": (
        lambda all_: all_ | {"folder/trusted/mallory.pem": b""},
        "folder/trusted/mallory.pem is not in its manifest",
    ),
    "the manifest changed": (
        lambda all_: all_ | {"manifest.json": all_["manifest.json"].replace(b'"signer"', b'"web"')},
        "the manifest does not have its digest",
    ),
    "a manifest of a later format": (
        lambda all_: manifest_with(all_, format=2),
        "has format 2, and this release reads format 1",
    ),
    "a manifest that is none": (
        lambda all_: manifest_with(all_, made_at="yesterday"),
        "its manifest cannot be read",
    ),
    "a path outside": (
        lambda all_: manifest_with(all_, folders=["../elsewhere"]),
        "outside of the folder",
    ),
    "a path from the root": (
        lambda all_: manifest_with(all_, files={"/etc/x": {"size": 0, "sha256": "0" * 64}}),
        "outside of the folder",
    ),
    "a revision of a later release": (
        lambda all_: manifest_with(
            all_,
            database=json.loads(all_["manifest.json"])["database"] | {"revision": "signer_9999"},
        ),
        "revision signer_9999, which this release does not know",
    ),
    "a database of another kind": (
        lambda all_: manifest_with(
            all_,
            database=json.loads(all_["manifest.json"])["database"] | {"kind": "postgresql"},
        ),
        "restore it to the same kind",
    ),
    "no SQLite": (lambda all_: with_database(all_, b"no database"), "is damaged"),
    "nothing at all": (lambda all_: {}, "is no"),
    "another archive": (lambda all_: {"hello": b""}, "does not begin with its manifest.json"),
    "cut off": (lambda all_: None, "is no whole backup"),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    ca = tmp_path_factory.mktemp("backup") / "ca"
    assert main(["setup", str(ca)]) == 0
    assert main(["migrate", "--config", str(ca / "signer")]) == 0
    return back_up(ca).read_bytes()


def spoilt(sound: bytes, spoil: Spoil) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(sound)) as tar:
        members = {one.name: tar.extractfile(one).read() for one in tar}  # type: ignore[union-attr]
    changed = spoil(members)
    if changed is None:
        return sound[: len(sound) // 2]
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, octets in changed.items():
            member = tarfile.TarInfo(name)
            member.size = len(octets)
            tar.addfile(member, io.BytesIO(octets))
    return made.getvalue()


@pytest.mark.parametrize("name", SPOILT, ids=lambda name: name.replace(" ", "-"))
def test_a_spoilt_backup_is_refused_before_anything_is_written(
    name: str, sound: bytes, tmp_path: Path, capsys: Output
) -> None:
    spoil, why = SPOILT[name]
    file = tmp_path / "spoilt.tar"
    file.write_bytes(spoilt(sound, spoil))

    assert main(["restore", str(file), "--config", str(tmp_path / "signer")]) == 1

    assert why in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["spoilt.tar"]


def test_a_link_in_a_backup_is_refused(sound: bytes, tmp_path: Path, capsys: Output) -> None:
    file = tmp_path / "spoilt.tar"
    file.write_bytes(sound)
    with tarfile.open(file, "a") as tar:
        member = tarfile.TarInfo("folder/link")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(member)
    assert main(["restore", str(file), "--config", str(tmp_path / "signer")]) == 1
    assert "folder/link is not in its manifest" in capsys.readouterr().err


def test_a_backup_can_be_checked_without_restoring_it(
    sound: bytes, tmp_path: Path, capsys: Output
) -> None:
    file = tmp_path / "b.tar"
    file.write_bytes(sound)
    assert main(["restore", str(file), "--check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["role"] == "signer"
    octets = bytearray(sound)
    octets[sound.index(b"PRIVATE KEY")] ^= 1
    file.write_bytes(octets)
    assert main(["restore", str(file), "--check"]) == 1
    assert "does not have its digest" in capsys.readouterr().err
    assert main(["restore", str(file)]) == 2


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


def test_what_is_no_tar_is_no_backup(tmp_path: Path, capsys: Output) -> None:
    file = tmp_path / "b.tar"
    file.write_bytes(b"PGDMP" * 500)
    assert main(["restore", str(file), "--check"]) == 1
    assert "is no whole backup" in capsys.readouterr().err
