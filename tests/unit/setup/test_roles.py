"""A side signs as itself, or does not start."""

import shutil
from pathlib import Path

import pytest

from pipeline.broker.memory import Exchange
from pipeline.database.engine import open_database
from pipeline.errors import SettingsError
from pipeline.run.signer_side import open_signer_side
from pipeline.run.web_side import open_web_side
from pipeline.setup.directory import create
from pipeline.setup.options import SetupOptions
from settings.signer import load_signer
from settings.web import load_web


def test_a_side_with_the_other_s_message_certificate_does_not_start(tmp_path: Path) -> None:
    home = tmp_path / "ca"
    create(SetupOptions(directory=home))
    for name in ("message.pem", "message.key"):
        shutil.copy(home / "approvers/approver" / name, home / "web" / name)
        shutil.copy(home / "approvers/approver" / name, home / "signer" / name)
    database = open_database("sqlite:///" + str(tmp_path / "any.db"))

    with pytest.raises(SettingsError, match="must be role web"):
        open_web_side(load_web(home / "web"), home / "web", database, exchange=Exchange())
    with pytest.raises(SettingsError, match="must be role signer"):
        open_signer_side(
            load_signer(home / "signer"),
            home / "signer",
            database,
            signs=False,
            exchange=Exchange(),
        )
    database.dispose()
