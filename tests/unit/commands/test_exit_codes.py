"""How a command ends: exit codes, and sentences instead of tracebacks."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from sqlalchemy.exc import OperationalError

from pipeline import cli
from pipeline.cli import main
from pipeline.commands.lazy import LazyGroup
from pipeline.errors import BrokerUnavailable, HttpcaError, SettingsError
from tests.unit.commands.failed import ID
from tests.unit.commands.output import Output


def failing(error: BaseException) -> Callable[[], None]:
    def callback() -> None:
        raise error

    return callback


def run_failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> int:
    command = click.Command("fail", callback=failing(error))

    def get_command(*_: object) -> click.Command:
        return command

    monkeypatch.setattr(LazyGroup, "get_command", get_command)
    return main(["fail"])


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (HttpcaError("it is so"), 1, "Error: it is so"),
        (SettingsError("a/settings.toml", "http.port", "is no port"), 1, "http.port: is no port"),
        (BrokerUnavailable("the broker is gone"), 1, "Error: the broker is gone"),
        (PermissionError(13, "Permission denied", "some/file"), 1, "some/file: Permission denied"),
        (OperationalError("SELECT", {}, Exception("no such host")), 1, "no such host"),
        (KeyboardInterrupt(), 1, "Error: interrupted"),
        (click.UsageError("say which"), 2, "Error: say which"),
    ],
)
def test_an_expected_error_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
    capsys: Output,
    error: BaseException,
    code: int,
    sentence: str,
) -> None:
    assert run_failing(monkeypatch, error) == code
    shown = capsys.readouterr()
    assert sentence in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""


def test_a_defect_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        run_failing(monkeypatch, ZeroDivisionError())


@pytest.mark.parametrize("code", range(6))
def test_a_command_chooses_its_exit_code(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    assert run_failing(monkeypatch, click.exceptions.Exit(code)) == code


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["--nonsense"],
        ["migrate"],
        ["setup"],
        ["run", "nothing", "--config", "x"],
        ["requests", "show", "no-id", "--config", "x"],
        ["requests", "reject", ID, "--config", "x"],
        ["policy", "explain", "x"],
        ["policy", "explain", "x", "--policy", "y", "--config", "z"],
        ["dev", "--port", "0"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2(arguments: list[str], capsys: Output) -> None:
    assert main(arguments) == 2
    assert "Usage: httpca" in capsys.readouterr().err


def test_the_database_out_of_reach_is_a_sentence(
    ready: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    url = "postgresql+psycopg://signer:hush@127.0.0.1:1/signer"
    monkeypatch.setenv("HTTPCA_SIGNER_DATABASE", url)
    assert main(["requests", "list", "--config", str(ready / "signer")]) == 1
    shown = capsys.readouterr().err
    assert "the database cannot be used" in shown
    assert "hush" not in shown
    assert "Traceback" not in shown


def test_a_closed_pipe_is_no_traceback(ready: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    program = "import sys; from pipeline.cli import main; sys.exit(main(sys.argv[1:]))"
    with os.fdopen(writing, "wb") as pipe:
        done = subprocess.run(
            [sys.executable, "-c", program, "requests", "list", "--config", ready / "signer"],
            stdout=pipe,
            stderr=subprocess.PIPE,
            check=False,
            cwd=Path(cli.__file__).parent.parent,
        )
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_process_that_crashes_writes_no_memory_with_keys_in_it_to_a_file() -> None:
    script = """
import resource
from pipeline.cli import main
_, most = resource.getrlimit(resource.RLIMIT_CORE)
resource.setrlimit(resource.RLIMIT_CORE, (most, most))
main(["--version"])
print(resource.getrlimit(resource.RLIMIT_CORE)[0])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "0"
