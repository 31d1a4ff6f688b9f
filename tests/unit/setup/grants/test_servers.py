"""Where the servers are, what is written for them, and how it is brought to them."""

import json
import tomllib
from pathlib import Path

import pytest

from pipeline.cli import main
from pipeline.errors import SettingsError
from pipeline.setup.grants import apply, servers
from pipeline.setup.grants.servers import Servers
from settings.signer import load_signer
from tests.unit.setup.grants.made import WHERE, made


def test_two_servers_of_postgresql_get_the_lines_of_their_own_side(tmp_path: Path) -> None:
    directory = made(tmp_path, Servers("one.example:5432", "two.example:5433", "mq.example:5671"))
    lines = (directory / "setup/servers/web-postgresql/pg_hba.conf").read_text("utf-8")
    assert "httpca_web_worker" in lines
    assert "signer" not in lines
    assert "@two.example:5433/httpca_signer" in load_signer(directory / "signer").database


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"rabbitmq": "mq.example"}, "--rabbitmq: 'mq.example' is not HOST:PORT"),
        (
            {"web_postgresql": "db", "signer_postgresql": "db"},
            "--postgresql: 'db' is not HOST:PORT",
        ),
        ({"web_postgresql": "db.example:70000"}, "--web-postgresql"),
        ({"web_postgresql": "a@b:5432"}, "--web-postgresql"),
        ({"prefix": "Http-CA"}, "--prefix"),
        ({"prefix": 'x"; DROP'}, "--prefix"),
        ({"tls": "perhaps"}, "--tls"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(
    changed: dict[str, str], problem: str, tmp_path: Path
) -> None:
    fields = {
        "web_postgresql": "db.example:5432",
        "signer_postgresql": "db.example:5432",
        "rabbitmq": "mq.example:5671",
    }
    with pytest.raises(SettingsError, match=problem):
        made(tmp_path, Servers(**fields | changed))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_urls_and_servers_exclude_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["setup", str(tmp_path / "ca"), "--postgresql", "db.example:5432"]
    assert main([*common, "--rabbitmq", "mq.example:5671", "--broker", "amqp://mq.example/"]) == 2
    assert main(common) == 2
    assert "belong together" in capsys.readouterr().err


def test_where_the_servers_are_is_read_back(ready: Path, tmp_path: Path) -> None:
    assert servers.load(ready / "setup/grants") == WHERE
    with pytest.raises(SettingsError, match="there is no such file"):
        servers.load(tmp_path)
    (tmp_path / servers.FILE).write_text("{")
    with pytest.raises(SettingsError, match="cannot be read"):
        servers.load(tmp_path)


def test_applying_says_what_is_wrong(ready: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(ready / "setup/grants")
    assert main(["grants", "apply", folder]) == 2
    assert "say which servers" in capsys.readouterr().err
    assert main(["grants", "apply", folder, "--rabbitmqctl", "/nowhere/rabbitmqctl"]) == 1
    assert "/nowhere/rabbitmqctl cannot be started" in capsys.readouterr().err
    assert main(["grants", "apply", folder, "--rabbitmqctl", "false"]) == 1
    assert "false refused" in capsys.readouterr().err
    assert (
        main(["grants", "apply", folder, "--postgresql", "postgresql://h/d?application_name=x"])
        == 1
    )
    assert "application_name" in capsys.readouterr().err


def test_rabbitmq_is_given_all_definitions_at_once_with_no_password(
    ready: Path, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    program = tmp_path / "rabbitmqctl"
    program.write_text(f'#!/bin/sh\necho "$@" > {seen}.words\ncat > {seen}\n')
    program.chmod(0o700)
    applied = apply.to_rabbitmq(ready / "setup/grants", str(program))
    given = json.loads(seen.read_bytes())
    assert applied == ["rabbitmq.json", "approver-alice.json", "approver-bob.json"]
    assert (tmp_path / "seen.words").read_text() == "import_definitions\n"
    assert [one["name"] for one in given["vhosts"]] == ["httpca"]
    assert len(given["users"]) == len(given["permissions"]) == 4
    assert {one["password_hash"] for one in given["users"]} == {""}


def test_next_steps_name_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = tmp_path / "ca"
    arguments = ["--postgresql", "db.example:5432", "--rabbitmq", "mq.example:5671"]
    assert main(["setup", str(directory), *arguments]) == 0
    said = capsys.readouterr().out
    assert f"httpca grants apply {directory}/setup/grants" in said
    assert f"httpca migrate --config {directory}/owner/signer" in said
    assert tomllib.loads((directory / "web/settings.toml").read_text("utf-8"))["tls"]
