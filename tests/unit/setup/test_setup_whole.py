"""A set-up is made whole or not at all: what cannot be made is named, and leaves nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import SettingsError
from pipeline.setup import directory as module
from pipeline.setup.directory import create
from pipeline.setup.options import SetupOptions
from tests.unit.setup.entries import entries


@pytest.mark.parametrize("content", ["", "\n", "two\nlines\n"])
def test_a_passphrase_file_of_another_form_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "passphrase").write_text(content)
    with pytest.raises(SettingsError, match="holds one line"):
        create(SetupOptions(tmp_path / "ca", passphrase_file=tmp_path / "passphrase"))
    assert not (tmp_path / "ca").exists()


def test_a_folder_with_content_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("content")
    with pytest.raises(SettingsError, match="there is something here already"):
        create(SetupOptions(tmp_path))
    assert entries(tmp_path) == ["mine"]


def test_an_empty_folder_is_set_up(tmp_path: Path) -> None:
    create(SetupOptions(tmp_path / "a" / "b"))
    (tmp_path / "empty").mkdir()
    create(SetupOptions(tmp_path / "empty"))
    assert entries(tmp_path / "empty") == entries(tmp_path / "a" / "b")


def test_a_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_certificate_authority", fail)
    with pytest.raises(SettingsError, match="cannot be set up: No space left on device"):
        create(SetupOptions(tmp_path / "ca"))
    assert entries(tmp_path) == []


def test_until_all_is_made_there_is_no_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def look(directory: Path, *_: object) -> None:
        seen.append((directory, (tmp_path / "ca").exists()))

    monkeypatch.setattr(module, "_certificate_authority", look)
    create(SetupOptions(tmp_path / "ca"))
    [(beside, was_there)] = seen
    assert beside.parent == tmp_path
    assert not was_there
    assert entries(tmp_path)[0] == "ca/"
    assert not beside.exists()


WRONG = [
    ({"web_database": "mysql://x"}, "--web-database: is neither postgresql"),
    ({"signer_database": "sqlite:///"}, "--signer-database: is neither postgresql"),
    ({"approver_database": "oracle:"}, "--approver-database: is neither postgresql"),
    ({"web_broker": "redis:"}, "--web-broker: is neither amqp"),
    ({"signer_broker": ""}, "--signer-broker: is neither amqp"),
    ({"approver_broker": "amqp:"}, "--approver-broker: is neither amqp"),
    ({"web_broker": "amqp://mq..example/"}, "--web-broker: is neither amqp"),
    ({"signer_broker": f"amqp://{'m' * 64}.example/"}, "--signer-broker: is neither amqp"),
    ({"web_database": "postgresql+psycopg://db..example/x"}, "--web-database: is neither"),
    ({"ca_key": "rsa:1024"}, "--ca-key: 'rsa:1024' is not a kind"),
    ({"ca_name": ""}, "--ca-name: a name has 1 to 53"),
    ({"ca_name": "x" * 54}, "--ca-name: a name has 1 to 53"),
    ({"ca_name": "Ä" * 27}, "--ca-name: a name has 1 to 53"),
    ({"ca_name": "Example  "}, "--ca-name: a name has 1 to 53"),
    ({"approvers": ("../web",)}, "--approver: '../web' is no name"),
    ({"passphrase_file": Path("/nowhere/passphrase")}, "the passphrase cannot be read"),
]


@pytest.mark.parametrize(("values", "sentence"), WRONG, ids=[wrong[1] for wrong in WRONG])
def test_a_wrong_option_is_named_and_nothing_is_made(
    tmp_path: Path, values: dict[str, object], sentence: str
) -> None:
    options = replace(SetupOptions(tmp_path / "ca"), **values)  # type: ignore[arg-type]
    with pytest.raises(SettingsError) as caught:
        create(options)
    assert sentence in str(caught.value)
    assert entries(tmp_path) == []
