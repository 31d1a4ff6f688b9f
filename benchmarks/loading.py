"""Runs the load in its process, and tells what the run cost to whom."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol

from benchmarks.meter import Meter
from tests.system.installation import ROOT

Figures = dict[str, Any]

LONGEST: Final = 1800.0
"""Seconds that a load may take to end; against hanging only."""


class Target(Protocol):
    """What a load runs against."""

    token: str

    @property
    def ports(self) -> list[int]: ...
    def meter(self) -> Meter: ...
    def sizes(self) -> dict[str, int]: ...


class Loader:
    """A load that is ready to begin."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._expect("ready")

    def send(self) -> Figures:
        """Let it send all; return what it found when the last certificate was readable."""
        return dict(json.loads(self._go_on()))

    def check(self) -> Figures:
        """Let it fetch and check every certificate."""
        return dict(json.loads(self._go_on()))

    def _go_on(self) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._line()

    def _expect(self, line: str) -> None:
        found = self._line()
        if found != line:
            raise RuntimeError(f"the load says {found!r} instead of {line!r}")

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the load failed; what it says stands above")
        return line.strip()


@contextmanager
def load(target: Target, case: str, count: int, *options: str) -> Iterator[Loader]:
    """Start a load of so many certificates; its process is gone when the block ends."""
    ports = ",".join(str(port) for port in target.ports)
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.load", case, str(count), "--ports", ports, *options],
        env=os.environ | {"HTTPCA_TOKEN": target.token},
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Loader(process)
    except BaseException:
        process.kill()
        raise
    finally:
        process.communicate(timeout=LONGEST)


def throughput(target: Target, case: str, count: int, *options: str) -> Figures:
    """Issue so many certificates; return the rate, and the cost of each in every process."""
    with load(target, case, count, *options) as loader:
        before, meter = target.sizes(), target.meter()
        found = loader.send()
        cpu, memory, after = meter.cpu(), meter.memory(), target.sizes()
        checked = loader.check()
    # The load watches the last few; the web side says when it stored the very last one.
    late = max(0.0, checked["stored"] - found["started"] - found["seconds"])
    seconds = found["seconds"] + late
    cpu["load"] = found["cpu"]
    return {
        "count": count,
        "checked": checked["checked"],
        "rate": count / seconds,
        "seconds": seconds,
        "submitting": found["submitting"],
        "answer p50": quantile(found["answered"], 0.5),
        "answer p99": quantile(found["answered"], 0.99),
        "cpu": {part: 1000 * spent / count for part, spent in sorted(cpu.items())},
        "memory": memory,
        "bytes": {side: (after[side] - octets) / count for side, octets in before.items()},
    }


def latency(target: Target, rate: float, seconds: float) -> Figures:
    """Submit so many requests per second; return how long each took."""
    count = max(1, int(rate * seconds))
    with load(target, "latency", count, "--rate", str(rate)) as loader:
        found = loader.send()
        loader.check()
    times = found["times"]
    return {
        "count": count,
        "rate": count / found["seconds"],
        "p50": quantile(times, 0.5),
        "p99": quantile(times, 0.99),
        "longest": times[-1],
    }


def quantile(values: Sequence[float], part: float) -> float:
    """Return the value below which that part of the values lies."""
    return sorted(values)[min(int(part * len(values)), len(values) - 1)]


def summary(runs: Sequence[Figures]) -> Figures:
    """Return median, least and greatest of each figure of some runs."""
    found: Figures = {}
    for name, value in runs[0].items():
        values = [run[name] for run in runs if name in run]
        if isinstance(value, dict):
            found[name] = summary(values)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[name] = {
                "median": statistics.median(values),
                "min": min(values),
                "max": max(values),
            }
    return found
