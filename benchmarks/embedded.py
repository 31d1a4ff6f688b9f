"""`httpca dev`: one process, SQLite, a broker in memory."""

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.meter import Meter
from benchmarks.startup import development
from tests.system.installation import done, httpca

LONGEST: Final = 300.0
"""Seconds that the sequencer has; against hanging only."""


class Embedded:
    """A running `httpca dev`, which asks for no token."""

    token = ""

    def __init__(self, directory: Path, pid: int, port: int) -> None:
        self._directory = directory
        self._pid = pid
        self.ports = [port]

    def meter(self) -> Meter:
        """Return a meter of the one process."""
        return Meter({"dev": [self._pid]})

    def sizes(self) -> dict[str, int]:
        """Return the bytes of each side's database, with what is not merged into it yet."""
        return {
            side: sum(
                file.stat().st_size for file in (self._directory / side / "data").glob("*.db*")
            )
            for side in ("web", "signer")
        }

    def verified(self) -> str:
        """Let `httpca audit verify` prove the whole log; return what it says.

        Raises:
            AssertionError: something was found.
            TimeoutError: the sequencer does not come to an end.
        """
        command = ("audit", "verify", "--config", self._directory / "signer")
        deadline = time.monotonic() + LONGEST
        while json.loads(done(httpca(*command, "--json")))["waiting"]:
            if time.monotonic() > deadline:
                raise TimeoutError("the audit's tree is not complete")
            time.sleep(1)
        return done(httpca(*command)).strip()


@contextmanager
def embedded() -> Iterator[Embedded]:
    """Run `httpca dev` in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="httpca-bench-dev-") as folder:
        directory = Path(folder) / "httpca"
        with development(directory) as (pid, port):
            yield Embedded(directory, pid, port)
