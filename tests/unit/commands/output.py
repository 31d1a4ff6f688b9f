"""What a command says, in this process and in one of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline import cli

Output = pytest.CaptureFixture[str]


def as_json(capsys: Output) -> Any:
    return json.loads(capsys.readouterr().out)


def in_a_new_process(*arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    program = f"import sys; from pipeline.cli import main; code = main(sys.argv[1:]); {code or 0}"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(cli.__file__).parent.parent,
    )
