"""`httpca dev`: one process, SQLite, a broker in memory."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.meter import Meter
from benchmarks.startup import development
from tests.system.installation import done, httpca


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
        """Let `httpca audit verify` prove the whole log; return what it says."""
        config = self._directory / "signer"
        return done(httpca("audit", "verify", "--config", config, timeout=600)).strip()


@contextmanager
def embedded() -> Iterator[Embedded]:
    """Run `httpca dev` in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="httpca-bench-dev-") as folder:
        directory = Path(folder) / "httpca"
        with development(directory) as (pid, port):
            yield Embedded(directory, pid, port)
