"""The processes of the Procfile, each watched over and started again as its systemd unit says."""

import contextlib
import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.chaos import units
from tests.servers.process import ServerProcess
from tests.system.installation import ROOT, environment
from tests.waiting import wait_until

LOOK = 0.05
"""Seconds between two looks whether a process has ended."""

STARTED = ("worker-started", "clock-started", "serving")
"""What a process logs when it is up, one of them; from then on it ends in good order."""

PROCFILE = dict(
    line.split(": ", 1) for line in (ROOT / "Procfile").read_text("utf-8").splitlines() if line
)


@dataclass
class Service:
    """One process, which has an end and a beginning again."""

    kind: str
    number: int
    settings: Mapping[str, str]
    folder: Path
    ends: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    highest_memory: int = 0
    _began_at: int = 0
    _process: ServerProcess | None = None
    _due: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.unit = units.read(self.kind)
        self.name = f"{self.kind}.{self.number}"
        self.log = self.folder / f"{self.name}.log"

    @property
    def running(self) -> bool:
        with self._lock:
            return self._process is not None and self._process.running

    def tend(self) -> None:
        """Notice the end, and start it when that is due."""
        with self._lock:
            now = time.monotonic()
            if self._process is not None:
                if self._process.running:
                    self._measure(self._process.pid)
                    return
                self.ends[_how(self._process.returncode)] += 1
                self._process.kill()  # its guard
                self._process = None
                self._due = now + self.unit.restart_after if self.unit.restarts else float("inf")
            if now >= self._due:
                self.starts += 1
                self._began_at = len(self._octets())
                self._process = ServerProcess(
                    ["/bin/sh", "-c", PROCFILE[self.kind]],
                    log=self.log,
                    folder=ROOT,
                    environment=environment(**self.settings),
                )

    def is_up(self) -> bool:
        """Say whether it runs, and has said so since its last start."""
        with self._lock:
            said = self._octets()[self._began_at :].decode("utf-8", errors="replace")
            running = self._process is not None and self._process.running
            return running and any(f'"event":"{event}"' in said for event in STARTED)

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal; return False when there is no process at the moment."""
        with self._lock:
            if self._process is None or not self._process.running:
                return False
            os.kill(self._process.pid, number)
            return True

    def is_stopped(self) -> bool:
        """Say whether a SIGSTOP has taken effect."""
        with self._lock:
            if self._process is None:
                return False
            with contextlib.suppress(OSError):
                stat = Path(f"/proc/{self._process.pid}/stat").read_text()
                return stat.rpartition(")")[2].split()[0] == "T"
            return False

    def end(self) -> None:
        """End it for good, at once."""
        with self._lock:
            self._due = float("inf")
            if self._process is not None:
                self._process.kill()
                self._process = None

    def engage(self) -> None:
        """Let it run (again) after it was dismissed."""
        with self._lock:
            self._due = 0.0

    def dismiss(self, seconds: float = 120.0) -> int | None:
        """End it as an operator does; return its exit code."""
        with self._lock:
            self._due = float("inf")
            process, self._process = self._process, None
        if process is None:
            return None
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGCONT)
        process.stop(signal.SIGTERM, seconds=seconds)
        return process.returncode

    def logged(self) -> str:
        """Return all whole lines that it wrote."""
        whole, _, _ = self._octets().rpartition(b"\n")
        return whole.decode("utf-8", errors="replace")

    def _octets(self) -> bytes:
        return self.log.read_bytes() if self.log.exists() else b""

    def _measure(self, pid: int) -> None:
        with contextlib.suppress(OSError):
            found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
            if found:
                self.highest_memory = max(self.highest_memory, int(found[1]))


class Crew:
    """Several of each kind of process; ``services`` may be signalled from any thread."""

    def __init__(self, services: Sequence[Service]) -> None:
        self.services = list(services)
        self._ending = threading.Event()
        self._watch = threading.Thread(target=self._tend, name="crew", daemon=True)

    def __enter__(self) -> Self:
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._watch.join()
        for service in self.services:
            service.end()

    def of(self, *kinds: str) -> list[Service]:
        """Return the services of some kinds (all, when none is named)."""
        return [one for one in self.services if not kinds or one.kind in kinds]

    def dismiss(self) -> dict[str, int | None]:
        """End all in an orderly way; return their exit codes.

        One that has just ended is started again first: until it is up, it knows no orderly end.
        """
        wait_until(lambda: all(service.is_up() for service in self.services))
        self._ending.set()
        self._watch.join()
        return {service.name: service.dismiss() for service in self.services}

    @contextlib.contextmanager
    def frozen(self, *kinds: str) -> Iterator[list[Service]]:
        """Keep all processes of some kinds from running for a while."""
        stopped = [service for service in self.of(*kinds) if service.signal(signal.SIGSTOP)]
        try:
            yield stopped
        finally:
            for service in stopped:
                service.signal(signal.SIGCONT)

    def _tend(self) -> None:
        while not self._ending.wait(LOOK):
            for service in self.services:
                service.tend()


def _how(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}"
    return signal.Signals(-code).name
