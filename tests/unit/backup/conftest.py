"""A directory on SQLite, whose folders are backed up, lost and restored."""

from pathlib import Path

import pytest

from pipeline.cli import main


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("a passphrase\n")
    assert main(["setup", str(tmp_path / "ca"), "--passphrase-file", str(passphrase)]) == 0
    for side in ("web", "signer"):
        assert main(["migrate", "--config", str(tmp_path / "ca" / side)]) == 0
    return tmp_path / "ca"
