"""`httpca backup` on SQLite: who can read it, where it may lie, and what it does not leave out."""

import os
import stat
import tarfile
from pathlib import Path

import pytest

from pipeline.cli import main
from tests.unit.backup.losses import Output, back_up


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


def test_a_backup_is_never_overwritten(ca: Path, capsys: Output) -> None:
    file = back_up(ca)
    before = file.read_bytes()
    assert main(["backup", str(file), "--config", str(ca / "signer")]) == 1
    assert "name a new file" in capsys.readouterr().err
    assert file.read_bytes() == before


def test_a_backup_that_was_cut_off_does_not_have_its_name(
    ca: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever kills it, or a host that goes down, leaves nothing that looks like a backup."""
    file = ca.parent / "signer.tar"
    seen = []

    def fsync(_descriptor: int) -> None:
        seen.append(file.exists())

    monkeypatch.setattr(os, "fsync", fsync)
    assert back_up(ca) == file
    assert seen[0] is False, "it is on the disk before it has its name"
    assert seen[-1] is True, "and so is its name"


def test_a_backup_of_a_folder_does_not_go_into_it(ca: Path, capsys: Output) -> None:
    file = ca / "signer" / "data" / "backup.tar"
    assert main(["backup", str(file), "--config", str(ca / "signer")]) == 1
    assert "choose another place" in capsys.readouterr().err


def test_what_is_no_file_is_not_left_out_in_silence(ca: Path, capsys: Output) -> None:
    (ca / "signer" / "elsewhere").symlink_to(ca / "web")
    assert main(["backup", str(ca.parent / "b.tar"), "--config", str(ca / "signer")]) == 1
    assert "elsewhere is neither a file nor a folder" in capsys.readouterr().err
    assert {path.name for path in ca.parent.iterdir()} == {"ca", "passphrase"}


def test_a_database_that_was_never_set_up_is_not_backed_up(tmp_path: Path, capsys: Output) -> None:
    assert main(["setup", str(tmp_path / "ca")]) == 0
    config = str(tmp_path / "ca" / "signer")
    assert main(["backup", str(tmp_path / "b.tar"), "--config", config]) == 1
    assert "httpca migrate" in capsys.readouterr().err
