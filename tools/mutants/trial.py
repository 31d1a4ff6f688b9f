"""Try mutants on a copy of the tree, so that the checkout is never changed."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from tools.mutants.errors import Unusable
from tools.mutants.patch import Mutant

COPIED = ("pipeline", "settings", "tests", "tools", "pyproject.toml")
PATIENCE = 240.0
"""Seconds for the tests of one mutant; it may make them run for ever."""


@dataclass(frozen=True)
class Verdict:
    """``failed``: which named tests failed; ``problem``: why this says nothing; ``said``: pytest's
    last line."""

    mutant: Mutant
    failed: frozenset[str]
    problem: str = ""
    said: str = ""

    @property
    def missed(self) -> list[str]:
        """The named tests that noticed nothing."""
        return [test for test in self.mutant.must_fail if test not in self.failed]

    @property
    def good(self) -> bool:
        """Whether every named test failed, as it must."""
        return not self.problem and not self.missed


class Copy:
    """A copy of the tree in a folder of its own."""

    def __init__(self, source: Path, folder: Path) -> None:
        self.folder = folder
        ignore = shutil.ignore_patterns("__pycache__", "*.pyc", "var")
        for name in COPIED:
            if (source / name).is_dir():
                shutil.copytree(source / name, folder / name, ignore=ignore)
            else:
                shutil.copy2(source / name, folder / name)

    def try_out(self, mutant: Mutant) -> Verdict:
        """Apply a mutant, run the tests that it names, and take it back."""
        before = {name: (self.folder / name).read_bytes() for name in mutant.changes}
        if problem := apply(mutant.file, self.folder):
            return Verdict(mutant, frozenset(), f"no longer applies: {problem}")
        try:
            return self._judge(mutant)
        finally:
            for name, octets in before.items():
                (self.folder / name).write_bytes(octets)

    def _judge(self, mutant: Mutant) -> Verdict:
        try:
            status, output = self.run(mutant.must_fail)
        except subprocess.TimeoutExpired:
            return Verdict(mutant, frozenset(), f"its tests do not end within {PATIENCE:.0f} s")
        failures = re.findall(r"^FAILED (\S+)", output, re.MULTILINE)
        failed = frozenset(
            test for test in mutant.must_fail if any(one.startswith(test) for one in failures)
        )
        if status not in (0, 1) or "ERROR collecting" in output:
            return Verdict(mutant, failed, f"pytest cannot run: {_last_line(output)}")
        if "\nERROR " in output:
            return Verdict(mutant, failed, f"tests cannot be set up: {_last_line(output)}")
        return Verdict(mutant, failed, said=_last_line(output))

    def run(self, tests: Iterable[str], patience: float = PATIENCE) -> tuple[int, str]:
        """Run tests in the copy; return pytest's exit code and output."""
        command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "-rf", "-p", "no:cacheprovider"]
        done = subprocess.run(
            [*command, "-k", "not postgresql", *tests],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=patience,
            # Files change and change back within a second: no compiled ones may be kept.
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(self.folder)},
        )
        return done.returncode, done.stdout + done.stderr

    def check(self, mutants: Collection[Mutant]) -> None:
        """Check that all named tests pass while nothing is taken out.

        Raises:
            Unusable: they do not, or there is no such test.
        """
        tests = sorted({test for mutant in mutants for test in mutant.must_fail})
        status, output = self.run(tests, PATIENCE * len(mutants))
        if status:
            raise Unusable(f"the tests must pass before anything is taken out:\n{output}")


def apply(patch: Path, folder: Path) -> str:
    """Apply a patch to what lies in a folder, in no checkout; return what git has against it."""
    applied = subprocess.run(
        ["git", "apply", str(patch.resolve())],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"GIT_CEILING_DIRECTORIES": str(folder.parent)},
    )
    return applied.stderr.strip() if applied.returncode else ""


def _last_line(output: str) -> str:
    lines = output.strip().splitlines()
    return lines[-1] if lines else "no output"
