"""What stands in the way of `httpca approve`, and what it says of it."""

from pathlib import Path

from click.testing import CliRunner

from pipeline.approve.command import approve
from pipeline.approve.spool import Spool
from tests.unit.approve.commanded import ONE, run, words
from tests.unit.approve.world import World


def test_without_a_configuration_usage_is_explained() -> None:
    result = CliRunner().invoke(approve, ["list"])
    assert result.exit_code == 2
    assert "--config DIR/approvers/NAME" in result.stderr


def test_without_a_verb_and_a_terminal_usage_is_explained(folder: Path) -> None:
    result = CliRunner().invoke(approve, ["--config", str(folder)])
    assert result.exit_code == 2
    assert "needs a terminal" in result.stderr


def test_the_settings_of_another_role_are_refused(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('role = "signer"\n')
    result = run("list", config=tmp_path)
    assert result.exit_code == 1
    assert "role 'approver'" in result.stderr


def test_a_database_that_is_not_there_is_explained(world: World, folder: Path) -> None:
    settings = folder / "settings.toml"
    settings.write_text(settings.read_text().replace("signer.db", "elsewhere.db"))
    result = run("list", config=folder)
    assert result.exit_code == 1
    assert "There is no signer database at" in result.stderr


def test_a_database_without_its_views_is_explained(world: World, folder: Path) -> None:
    (world.folder / "empty.db").touch()
    settings = folder / "settings.toml"
    settings.write_text(settings.read_text().replace("signer.db", "empty.db"))
    result = run("list", config=folder)
    assert result.exit_code == 1
    assert "The signer's database cannot be read (no such table: approval_requests" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_damaged_file_in_the_spool_is_named_and_stops_nobody(folder: Path) -> None:
    (folder / "spool" / f"{ONE}.jws").write_text("nonsense")
    result = run("list", config=folder)
    assert result.exit_code == 0
    assert f"{ONE}.jws holds no decision" in result.stderr


def test_a_missing_key_stops_deciding_and_not_looking(world: World, folder: Path) -> None:
    world.add(request_id=ONE)
    (folder / "message.key").unlink()
    assert run("show", ONE, config=folder).exit_code == 0
    result = run("accept", ONE, config=folder)
    assert result.exit_code == 1
    assert "the message key cannot be read: No such file" in result.stderr


def test_a_broker_that_is_away_leaves_the_decision_in_the_spool(world: World, folder: Path) -> None:
    world.add(request_id=ONE)
    with (folder / "settings.toml").open("a") as settings:
        settings.write('broker = "amqp://nobody:nothing@127.0.0.1:1/none"\n')
    result = run("accept", ONE, "--timeout", "0.5", config=folder)
    assert result.exit_code == 5
    assert "The broker did not take it" in words(result)
    assert len(Spool(folder / "spool").list()[0]) == 1


def test_a_terminal_that_knows_only_ascii_gets_the_rest_written_out(
    world: World, folder: Path
) -> None:
    world.add(request_id=ONE, requester="é")
    runner = CliRunner(charset="ascii")
    result = runner.invoke(approve, ["show", ONE, "--config", str(folder)])
    assert result.exit_code == 0
    assert "\\xe9" in result.stdout
