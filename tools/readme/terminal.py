"""A terminal: one bash that is told what to run, and whose output is shown and remembered."""

from __future__ import annotations

import codecs
import os
import queue
import secrets
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.servers.process import alive

LOOK: Final = 0.1
"""Seconds between two looks at what was printed."""

CTRL_C: Final = (0, 128 + signal.SIGINT)
"""How a program may end when it was told to by Ctrl-C."""


class StepFailed(Exception):
    """A step did not do what the README promises; the message says what it did instead."""


class Terminal:
    """A bash with ``set -eu -o pipefail``, in a session of its own."""

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str], own: Path) -> None:
        """Open it in ``folder``; ``own`` is where this keeps what it has bash run."""
        self.name = name
        self._own = own
        self._mark = f"--{secrets.token_hex(16)}--"
        self._text = ""
        self._statuses: queue.Queue[int] = queue.Queue()
        self._running: int | None = None
        self._scripts = 0
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        # The mark, on a line of its own, tells us that a script has ended, and how.
        self._type(f"mark() {{ printf '\\n%s%s\\n' '{self._mark}' \"$1\"; }}")
        self._type("trap 'mark $?' EXIT\nset -eu -o pipefail")

    @property
    def busy(self) -> bool:
        """Whether something was left running in it."""
        return self._running is not None

    def run(self, script: str, seconds: float, expect: Sequence[str] = ()) -> None:
        """Run a script to its end.

        Raises:
            StepFailed: it failed, took too long, or did not print what it should.
        """
        start = len(self._text)
        self._type(f". {shlex.quote(str(self._save(script)))} </dev/null\nmark $?")
        status = self._status(seconds)
        if status:
            raise StepFailed(f"ended with {status}")
        self._check(start, expect)

    def start(self, script: str, seconds: float, until: Sequence[str]) -> None:
        """Start a script that does not end by itself, and wait until it has printed something.

        Raises:
            StepFailed: it ended, or did not print that in time.
        """
        start = len(self._text)
        # A job of its own is a process group, as in the shell that one types in: that is what
        # Ctrl-C is sent to. (What bash starts in the background otherwise ignores Ctrl-C.)
        self._type(
            f"set -m\n(. {shlex.quote(str(self._save(script)))}) </dev/null &\nset +m\nmark $!"
        )
        self._running = self._status(seconds)
        deadline = time.monotonic() + seconds
        while missing := [text for text in until if text not in self._text[start:]]:
            if not self.still_runs():
                raise StepFailed(f"ended before it printed {missing[0]!r}")
            if time.monotonic() > deadline:
                raise StepFailed(f"did not print {missing[0]!r} within {seconds:g} s")
            time.sleep(LOOK)

    def still_runs(self) -> bool:
        """Say whether what was started is there; True, too, when nothing was."""
        return self._running is None or bool(alive([self._running]))

    def stop(self, seconds: float, expect: Sequence[str] = ()) -> None:
        """Press Ctrl-C, and wait until what runs here has ended.

        Raises:
            StepFailed: nothing ran, or it did not end in time, or not well.
        """
        if self._running is None:
            raise StepFailed("nothing runs in this terminal")
        if not self.still_runs():
            raise StepFailed("it had ended by itself")
        start, pid = len(self._text), self._running
        os.killpg(pid, signal.SIGINT)
        self._type(f"wait {pid} && mark 0 || mark $?")
        status = self._status(seconds)
        self._running = None
        if status not in CTRL_C:
            raise StepFailed(f"ended with {status} on Ctrl-C")
        self._check(start, expect)

    def close(self, seconds: float = 5.0) -> None:
        """End the bash; by force when it does not want to."""
        assert self._bash.stdin is not None  # noqa: S101 - it was opened with a pipe
        self._bash.stdin.close()
        try:
            self._bash.wait(seconds)
        except subprocess.TimeoutExpired:
            self._bash.kill()
            self._bash.wait()

    def _save(self, script: str) -> Path:
        self._scripts += 1
        file = self._own / f"terminal-{self.name}-{self._scripts}.sh"
        file.write_text(script, encoding="utf-8")
        return file

    def _type(self, line: str) -> None:
        assert self._bash.stdin is not None  # noqa: S101 - it was opened with a pipe
        try:
            self._bash.stdin.write(f"{line}\n".encode())
            self._bash.stdin.flush()
        except BrokenPipeError:
            raise StepFailed("the shell has ended") from None

    def _status(self, seconds: float) -> int:
        try:
            return self._statuses.get(timeout=seconds)
        except queue.Empty:
            raise StepFailed(f"not done within {seconds:g} s") from None

    def _check(self, start: int, expect: Sequence[str]) -> None:
        for text in expect:
            if text not in self._text[start:]:
                raise StepFailed(f"did not print {text!r}")

    def _read(self) -> None:
        """Show what the terminal prints, line by line, and put aside the marks in it."""
        assert self._bash.stdout is not None  # noqa: S101 - it was opened with a pipe
        output = self._bash.stdout.fileno()
        decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
        held = ""
        while octets := os.read(output, 65536):
            *lines, held = (held + decode(octets)).split("\n")
            for line in lines:
                self._take(line)
        if held:
            self._take(held)

    def _take(self, line: str) -> None:
        if line.startswith(self._mark):
            self._statuses.put(int(line.removeprefix(self._mark)))
            return
        self._text += f"{line}\n"
        if line:
            print(f"  {self.name}| {line}", flush=True)
