"""`httpca setup` and `httpca migrate`: what they make, say and refuse."""

from pathlib import Path

import pytest

from pipeline.cli import main
from tests.unit.commands.output import Output, as_json, in_a_new_process


@pytest.mark.parametrize(("side", "other"), [("web", "signer"), ("signer", "web")])
def test_migrating_a_side_imports_nothing_of_the_other(ready: Path, side: str, other: str) -> None:
    done = in_a_new_process(
        "migrate", "--config", str(ready / side), code="print('|', *sys.modules)"
    )
    imported = set(done.stdout.rpartition("|")[2].split())
    assert f"pipeline.{side}.tables" in imported
    assert not imported & {f"pipeline.{other}", f"settings.{other}"}


def test_setup_says_what_comes_next(tmp_path: Path, capsys: Output) -> None:
    where = str(tmp_path / "ca")
    assert main(["setup", where, "--broker", "amqp://mq/", "--approver", "alice"]) == 0
    shown = capsys.readouterr().out
    assert f"httpca migrate --config {where}/web" in shown
    assert "approvers/alice/" in shown
    assert "honcho start" in shown


def test_setup_refuses_a_folder_with_content(ready: Path, capsys: Output) -> None:
    assert main(["setup", str(ready)]) == 1
    assert f"{ready}: there is something here already" in capsys.readouterr().err


def test_migrate_says_what_it_did(tmp_path: Path, capsys: Output) -> None:
    assert main(["setup", str(tmp_path / "ca"), "--json"]) == 0
    assert as_json(capsys)["approvers"] == ["approver"]
    arguments = ["migrate", "--config", str(tmp_path / "ca" / "web"), "--json"]
    assert main(arguments) == 0
    assert as_json(capsys)["before"] is None
    assert main(arguments) == 0
    done = as_json(capsys)
    assert done["before"] == done["after"] == "web_0001"
    assert done["side"] == "web"


def test_migrate_obeys_the_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    assert main(["setup", str(tmp_path / "ca")]) == 0
    monkeypatch.setenv("HTTPCA_SIGNER_DATABASE", f"sqlite:///{tmp_path}/elsewhere.db")
    assert main(["migrate", "--config", str(tmp_path / "ca" / "signer")]) == 0
    assert (tmp_path / "elsewhere.db").exists()
    assert not list((tmp_path / "ca" / "signer" / "data").iterdir())
    assert "elsewhere.db" in capsys.readouterr().out


def test_migrate_works_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["setup", "ca"]) == 0
    assert main(["migrate", "--config", "ca/web"]) == 0
    assert (tmp_path / "ca" / "web" / "data" / "web.db").exists()
    assert "web_0001" in capsys.readouterr().out


def test_migrate_refuses_a_folder_without_a_database(ready: Path, capsys: Output) -> None:
    assert main(["migrate", "--config", str(ready / "approvers" / "approver")]) == 1
    assert "only web, signer and owner have a database" in capsys.readouterr().err
    assert main(["migrate", "--config", str(ready / "nowhere")]) == 1
    assert "`httpca setup` makes it" in capsys.readouterr().err


def test_without_migrations_a_command_names_the_remedy(tmp_path: Path, capsys: Output) -> None:
    assert main(["setup", str(tmp_path / "ca")]) == 0
    signer = str(tmp_path / "ca" / "signer")
    assert main(["requests", "list", "--config", signer]) == 1
    assert f"run httpca migrate --config {signer}" in capsys.readouterr().err
