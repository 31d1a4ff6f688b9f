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
    (resident) and ``shared`` (what of it is of files or shared) in bytes."""

    pid: int
    parent: int
    command: str
    cpu: float
    memory: int
    shared: int

    @property
    def own(self) -> int:
        """The memory that nobody else may have counted too."""
        return self.memory - self.shared


def processes() -> dict[int, Process]:
    """Return all processes of this machine by their ids."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text()
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                resident, shared = (folder / "statm").read_text().split()[1:3]
            except (FileNotFoundError, ProcessLookupError):
                continue
            fields = stat[stat.rindex(")") + 2 :].split()
            cpu = sum(int(ticks) for ticks in fields[11:15]) / TICKS
            pid = int(folder.name)
            memory = (int(resident) * PAGE, int(shared) * PAGE)
            found[pid] = Process(pid, int(fields[1]), command, cpu, *memory)
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
        """Return the resident memory in MiB by part, without what processes share."""
        return {part: octets / 2**20 for part, octets in self._sum("own").items()}

    def members(self) -> dict[str, list[int]]:
        """Return the ids of the processes of each part."""
        found: defaultdict[str, list[int]] = defaultdict(list)
        for part, process in self._parts():
            found[part].append(process.pid)
        return {part: sorted(pids) for part, pids in found.items()}

    def _sum(self, of: str) -> dict[str, float]:
        sums: defaultdict[str, float] = defaultdict(float)
        for part, process in self._parts():
            sums[part] += getattr(process, of)
        return dict(sums)

    def _parts(self) -> list[tuple[str, Process]]:
        alive = processes()
        found = []
        for process in alive.values():
            above = process
            while above.pid not in self._roots and above.parent in alive:
                above = alive[above.parent]
            if above.pid in self._roots:
                found.append((_part(process.command) or self._roots[above.pid], process))
        return found


def _part(command: str) -> str | None:
    """Return which of our processes, or whose connection to PostgreSQL, a command line tells of."""
    if found := re.search(r"httpca run ([a-z-]+)", command):
        return found[1]
    if found := re.search(r"postgres: \S+ httpca_(web|signer)_", command):
        return f"PostgreSQL {found[1]}"
    return None
