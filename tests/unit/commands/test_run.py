"""`httpca run`: which process starts, and at which port."""

import sys
from pathlib import Path

import pytest

from pipeline.cli import main

PROCESSES = ["web", "web-worker", "web-clock", "signer-worker", "signer-clock"]


class Called:
    """Stands in for a module of ``pipeline.run``."""

    def __init__(self) -> None:
        self.arguments: tuple[object, ...] = ()

    def main(self, *arguments: object) -> int:
        self.arguments = arguments
        return 0


@pytest.mark.parametrize("process", PROCESSES)
def test_run_calls_the_process(monkeypatch: pytest.MonkeyPatch, process: str) -> None:
    called = Called()
    monkeypatch.setitem(sys.modules, f"pipeline.run.{process.replace('-', '_')}", called)
    monkeypatch.setenv("PORT", "5100")
    assert main(["run", process, "--config", "some/folder"]) == 0
    port = (5100,) if process == "web" else ()
    assert called.arguments == (Path("some/folder"), *port)


@pytest.mark.parametrize(
    ("variable", "option", "port"),
    [("5100", ["--port", "8123"], 8123), ("5100", [], 5100), (None, [], None)],
)
def test_the_port_of_the_command_line_counts_more_than_the_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str | None, option: list[str], port: int | None
) -> None:
    called = Called()
    monkeypatch.setitem(sys.modules, "pipeline.run.web", called)
    monkeypatch.delenv("PORT", raising=False)
    if variable is not None:
        monkeypatch.setenv("PORT", variable)
    assert main(["run", "web", "--config", "some/folder", *option]) == 0
    assert called.arguments == (Path("some/folder"), port)
