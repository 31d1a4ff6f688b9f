"""`httpca approve`, run as a command."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from pipeline.approve.command import approve

ONE = "01963d2a-0000-7000-8000-00000000000a"


def run(*arguments: str, config: Path) -> Result:
    return CliRunner().invoke(approve, [*arguments, "--config", str(config)])


def words(result: Result) -> str:
    """Return what was said, without its lines."""
    return " ".join(result.stdout.split())


def loaded(result: Result) -> Any:
    assert result.stdout.isascii()
    return json.loads(result.stdout)
