"""One process of a server: in a session of its own, ended by its own id, never left over."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypedDict

from tests import logs

# Waits until the pipe that it reads is closed, which the kernel does however we end, and then kills
# the process group. So not even SIGKILL for us leaves a server behind.
GUARD = ["/bin/sh", "-c", 'read -r _; kill -s KILL -- "-$1"', "guard"]


class ServerError(Exception):
    """A server did not start, did not stop, or refused a command."""


class ServerProcess:
    """A running server process and the file that its output goes to."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        folder: Path,
        environment: Mapping[str, str],
        user: str | None = None,
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(word) for word in command],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **as_user(user),
            )
        self._guard = subprocess.Popen(
            [*GUARD, str(self.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        # Also at the interpreter's exit, which is how Ctrl-C ends here.
        self._finalizer = weakref.finalize(self, _kill, self._process, self._guard, log)
        logs.follow(log)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._process.returncode

    def wait_until(self, ready: Callable[[], bool], *, seconds: float) -> None:
        """Poll until the server is ready.

        Raises:
            ServerError: it ended or was not ready in time; with the end of its log.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.running:
                raise ServerError(
                    f"server ended with {self._process.returncode}:\n{self.log_end()}"
                )
            if time.monotonic() > deadline:
                raise ServerError(f"server not ready within {seconds} s:\n{self.log_end()}")
            time.sleep(0.05)

    def stop(self, number: signal.Signals, *, seconds: float) -> None:
        """Send a signal and wait for the end; kill what has not ended in time.

        Raises:
            ServerError: it had to be killed.
        """
        self._process.send_signal(number)
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServerError(
                f"server did not stop within {seconds} s:\n{self.log_end()}"
            ) from None
        self._finalizer()

    def kill(self) -> None:
        """End it, and all that it started, in an instant, as a power cut would."""
        self._finalizer()

    def log_end(self, lines: int = 30) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def temporary_folder(server: object, name: str) -> Path:
    """Make a folder for a server's files; it is removed with the server, at the latest at exit."""
    folder = Path(tempfile.mkdtemp(prefix=f"httpca-{name}-"))
    weakref.finalize(server, shutil.rmtree, folder, ignore_errors=True)
    return folder


class Identity(TypedDict, total=False):
    """The arguments of `subprocess.Popen` and `run` that make the child another user's."""

    user: str
    group: int
    extra_groups: list[int]


def as_user(user: str | None) -> Identity:
    """Return what to start a process with so that it runs as this user; None: as ourselves."""
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def descendants(pid: int) -> set[int]:
    """Return the ids of a process's children, their children and so on."""
    parents = {child: parent for child, parent, _ in _processes()}
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def alive(pids: Iterable[int]) -> set[int]:
    """Return those of the processes that still run; one that nobody has reaped does not."""
    return set(pids) & {pid for pid, _, state in _processes() if state != "Z"}


def _processes() -> Iterator[tuple[int, int, str]]:
    """Yield id, parent's id and state of every process of this machine."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # The name of the program, in brackets, may itself contain spaces and brackets.
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                yield int(entry.name), int(parent), state


def _kill(process: subprocess.Popen[bytes], guard: subprocess.Popen[bytes], log: Path) -> None:
    """Kill a server, its descendants and its guard, and wait until they are gone."""
    if process.poll() is None:
        # Servers put children into sessions of their own, out of reach of the process group. Their
        # leader is stopped first, so that it can start no more of them.
        process.send_signal(signal.SIGSTOP)
        family = descendants(process.pid)
        for pid in (process.pid, *family):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        _wait_until_gone(family)
    logs.keep(log)
    guard.kill()
    guard.wait()
    if guard.stdin is not None:
        guard.stdin.close()


def _wait_until_gone(pids: set[int], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while alive(pids) and time.monotonic() < deadline:
        time.sleep(0.01)
