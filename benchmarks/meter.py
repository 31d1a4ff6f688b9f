"""What processes cost: CPU time and memory, read from /proc."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TICKS: Final = os.sysconf("SC_CLK_TCK")
PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Process:
    """A process at one moment; ``cpu`` in seconds, those of its ended children included; ``memory``
    (resident) in bytes."""

    pid: int
    parent: int
    command: str
    cpu: float
    memory: int


def processes() -> dict[int, Process]:
    """Return all processes of this machine by their ids."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text()
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (FileNotFoundError, ProcessLookupError):
                continue
            fields = stat[stat.rindex(")") + 2 :].split()
            cpu = sum(int(ticks) for ticks in fields[11:15]) / TICKS
            pid = int(folder.name)
            found[pid] = Process(pid, int(fields[1]), command, cpu, int(fields[21]) * PAGE)
    return found


class Meter:
    """CPU time since it was made, and memory now, by part of the whole."""

    def __init__(self, roots: dict[str, Iterable[int]]) -> None:
        self._roots = {pid: part for part, pids in roots.items() for pid in pids}
        self._before = self._sum("cpu")

    def cpu(self) -> dict[str, float]:
        """Return the seconds of CPU time since this meter was made, by part."""
        return {
            part: seconds - self._before.get(part, 0.0)
            for part, seconds in self._sum("cpu").items()
        }

    def memory(self) -> dict[str, float]:
        """Return the resident memory in MiB, by part."""
        return {part: octets / 2**20 for part, octets in self._sum("memory").items()}

    def _sum(self, of: str) -> dict[str, float]:
        alive = processes()
        sums: defaultdict[str, float] = defaultdict(float)
        for process in alive.values():
            above = process
            while above.pid not in self._roots and above.parent in alive:
                above = alive[above.parent]
            if above.pid in self._roots:
                part = _part(process.command) or self._roots[above.pid]
                sums[part] += getattr(process, of)
        return dict(sums)


def _part(command: str) -> str | None:
    """Return which of our processes a command line is, if it is one."""
    found = re.search(r"httpca run ([a-z-]+)", command)
    return found[1] if found else None
