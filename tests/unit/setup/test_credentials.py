"""Where a service finds the passphrase of its message key."""

from pathlib import Path

import pytest

from pipeline.errors import SettingsError
from settings.credentials import message_passphrase


def test_a_systemd_credential_is_read_where_no_file_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "message-passphrase").write_text("from systemd\n")
    environment = {"CREDENTIALS_DIRECTORY": str(folder)}
    assert message_passphrase(tmp_path, "", environment) == b"from systemd"

    (tmp_path / "key.pass").write_text("from a file\n")
    assert message_passphrase(tmp_path, "key.pass", environment) == b"from a file"


@pytest.mark.parametrize("variable", ["", "empty", "nowhere"])
def test_without_either_there_is_no_passphrase(tmp_path: Path, variable: str) -> None:
    (tmp_path / "empty").mkdir()
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path / variable)} if variable else {}
    assert message_passphrase(tmp_path, "", environment) is None


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"key\.pass.*cannot be read"):
        message_passphrase(tmp_path, "key.pass", {})
