"""A mutant as it stands in its file."""

import re
from dataclasses import dataclass
from pathlib import Path

from tools.mutants.errors import Unusable

_TAKES_OUT = "# Takes out: "
_MUST_FAIL = "# Must fail: "


@dataclass(frozen=True)
class Mutant:
    """One patch: what it takes out, and the tests that must fail (pytest's ids, or beginnings)."""

    name: str
    file: Path
    takes_out: str
    must_fail: tuple[str, ...]
    changes: tuple[str, ...]


def read(file: Path) -> Mutant:
    """Read a mutant.

    Raises:
        Unusable: it does not say what it is for, or changes nothing.
    """
    lines = file.read_text("utf-8").splitlines()
    takes_out = [line.removeprefix(_TAKES_OUT) for line in lines if line.startswith(_TAKES_OUT)]
    must_fail = [line.removeprefix(_MUST_FAIL) for line in lines if line.startswith(_MUST_FAIL)]
    changes = [match[1] for line in lines if (match := re.fullmatch(r"\+\+\+ b/(\S+)", line))]
    if len(takes_out) != 1 or not must_fail or not changes:
        wanted = f"one line “{_TAKES_OUT}…”, at least one “{_MUST_FAIL}…”, and a unified diff"
        raise Unusable(f"{file.name} needs {wanted}")
    return Mutant(file.stem, file, takes_out[0], tuple(must_fail), tuple(changes))
