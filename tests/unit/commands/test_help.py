"""`httpca --help` and `--version`: every command explains itself, and quickly."""

import click
import pytest

from pipeline import cli
from pipeline.cli import COMMANDS, main
from tests.unit.commands.output import Output, in_a_new_process

HEAVY = {
    "alembic",
    "apscheduler",
    "cryptography",
    "dramatiq",
    "flask",
    "pika",
    "rich",
    "sqlalchemy",
}


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_import_nothing_heavy(option: str) -> None:
    done = in_a_new_process(option, code="print('|', *sys.modules)")
    assert done.returncode == 0, done.stderr
    imported = set(done.stdout.rpartition("|")[2].split())
    assert "pipeline.cli" in imported
    assert not imported & HEAVY
    assert not {name for name in imported if name.startswith("settings")}


def test_help_lists_every_command(capsys: Output) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name, (_, sentence) in COMMANDS.items():
        assert f"{name} " in shown
        assert sentence in shown


def walk(command: click.Command, path: tuple[str, ...]) -> list[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        return [path]
    context = click.Context(command)
    found = [path]
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        found += walk(inner, (*path, name))
    return found


def test_every_command_explains_itself(capsys: Output) -> None:
    commands = walk(cli.cli, ())
    assert ("policy", "explain") in commands
    assert ("run", "signer-clock") in commands
    for path in commands:
        assert main([*path, "--help"]) == 0
        said = capsys.readouterr().out
        assert "Usage: httpca" in said
        assert "..." not in said.partition("Commands:")[2], "a sentence is cut off"


def test_the_version_is_shown(capsys: Output) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("httpca ")
