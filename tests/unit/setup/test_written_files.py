"""Files that commands write into the folders of services: whose they are, and what a kill leaves."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.backup import sqlite
from pipeline.crypto import checkpoint
from pipeline.errors import SettingsError
from pipeline.setup import audit_key, files
from pipeline.signer.audit import key as log_key
from pipeline.signer.keys import file as key_file
from tests.factories import write

Write = Callable[[Path], object]

WRITTEN: dict[str, Write] = {
    "certificate": lambda folder: files.write(folder / "message.pem", b"certificate"),
    "ca-key": lambda folder: key_file.save(
        folder / "issuing.key", key_file.generate("ec:P-256"), None
    ),
    "log-key": audit_key.make,
    "database": lambda folder: sqlite.put(write(b"database"), folder / "signer.db"),
}


@pytest.mark.parametrize("written", WRITTEN)
def test_root_gives_nothing_away_but_what_it_made(
    written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever can write the folder puts a link in the place of each file as soon as it is there."""
    given: list[int] = []
    victim = tmp_path / "shadow"
    victim.touch()
    folder = files.folder(tmp_path / "signer")
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").resolve()
        if path.is_file():
            path.rename(path.with_name(f"was {path.name}"))
            path.symlink_to(victim)

    def chown(what: Any, *_owner: Any, **_options: Any) -> None:
        given.append(os.stat(what).st_ino)

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "chown", chown)
    monkeypatch.setattr(os, "fchown", chown)
    WRITTEN[written](folder)
    assert given, "what root writes belongs to the folder's owner"
    assert victim.stat().st_ino not in given


def test_root_appends_to_no_file_that_a_link_leads_to(tmp_path: Path) -> None:
    victim = tmp_path / "passwd"
    victim.touch()
    folder = files.folder(tmp_path / "signer")
    (folder / log_key.PUBLIC).symlink_to(victim)
    with pytest.raises(OSError, match=log_key.PUBLIC):
        audit_key.make(folder)
    assert victim.read_bytes() == b""


@pytest.mark.parametrize("killed_at", range(4))
def test_no_key_signs_the_log_that_auditors_cannot_verify(
    killed_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = killed_at

    def fsync(_descriptor: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt

    with monkeypatch.context() as killing:
        killing.setattr(os, "fsync", fsync)
        if killed_at < 3:
            with pytest.raises(KeyboardInterrupt):
                audit_key.make(tmp_path)
        else:
            audit_key.make(tmp_path)
    try:
        key = log_key.load(tmp_path)
    except SettingsError:
        audit_key.make(tmp_path)  # there is none, and so the next try makes one
        key = log_key.load(tmp_path)
    known = log_key.load_verifiers(tmp_path / log_key.PUBLIC)
    assert checkpoint.verifier(key.public_key()) in known
