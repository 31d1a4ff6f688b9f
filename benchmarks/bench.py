"""One run of the bench: its options, its servers, and what it has found so far."""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from benchmarks.ground import Ground, Servers
from benchmarks.loading import Figures, summary


class Bench:
    """``figures`` is what becomes the JSON; it is written after every case."""

    def __init__(self, arguments: argparse.Namespace, servers: Servers) -> None:
        self.arguments = arguments
        self.servers = servers
        self.figures: Figures = {"yardstick": [], "audit": {}, "cases": {}}
        self._stack = ExitStack()
        self._shared: Ground | None = None

    @property
    def yardstick(self) -> float:
        """L as measured at the beginning, which all ratios that are printed meanwhile refer to."""
        return float(self.figures["yardstick"][0])

    def measure_yardstick(self) -> float:
        """Measure L in a process that imports nothing of ours."""
        command = [sys.executable, "-m", "benchmarks.yardstick", str(self.arguments.yardstick)]
        done = subprocess.run(command, capture_output=True, check=True, text=True)
        self.figures["yardstick"].append(float(json.loads(done.stdout)))
        return float(self.figures["yardstick"][-1])

    def shared(self) -> Ground:
        """Return the installation that several cases use one after the other."""
        if self._shared is None:
            ground = Ground(self.servers, processes=self.arguments.processes)
            self._shared = self._stack.enter_context(ground)
        return self._shared

    def close(self) -> None:
        """End the shared installation; so that it costs those cases nothing that have their own."""
        self._stack.close()
        self._shared = None

    @contextmanager
    def own(self, **options: Any) -> Iterator[Ground]:
        """Run an installation for one case."""
        self.close()
        usual = {"processes": self.arguments.processes}
        with Ground(self.servers, **(usual | options)) as ground:
            yield ground

    def keep(self, case: str, runs: list[Figures]) -> Figures:
        """Keep what the runs of a case found; return the summary."""
        found = {"summary": summary(runs), "runs": runs}
        self.figures["cases"][case] = found
        self.save()
        return found["summary"]  # type: ignore[return-value]

    def save(self) -> None:
        """Write the JSON, if a file for it was named."""
        if self.arguments.json:
            text = json.dumps(self.figures, indent=1, ensure_ascii=False) + "\n"
            self.arguments.json.parent.mkdir(parents=True, exist_ok=True)
            self.arguments.json.write_text(text)
