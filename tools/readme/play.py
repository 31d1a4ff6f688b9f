"""Take the steps of a README, one after the other, and say how each went."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from tests.servers.process import alive, descendants
from tools.readme.blocks import SECONDS, Block, Skip, Step, Stop
from tools.readme.newcomer import Newcomer
from tools.readme.terminal import StepFailed, Terminal

CLONE: Final = re.compile(r"^(git clone )\S+", re.MULTILINE)

PR_SET_CHILD_SUBREAPER: Final = 36
"""linux/prctl.h"""

GONE_WITHIN: Final = 3.0
"""Seconds in which the last processes have to be gone."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a step went."""

    step: Step
    outcome: Literal["passed", "FAILED", "not run", "skipped"]
    seconds: float = 0.0
    said: str = ""


def adopt() -> None:
    """Have every process that loses its parent become our child, so that none is lost sight of."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def play(steps: Sequence[Step], newcomer: Newcomer) -> list[Result]:
    """Take the steps until one fails; then stop what still runs, and look what was left.

    All processes that this started have ended when it returns, also when it is interrupted.
    """
    results: list[Result] = []
    player = _Player(newcomer)
    try:
        for step in steps:
            if any(result.outcome == "FAILED" for result in results):
                results.append(Result(step, "not run"))
            else:
                results.append(player.take(step))
        results += player.stop_the_rest()
        player.close()
        results.append(_nothing_left())
    finally:
        _kill(descendants(os.getpid()))
    return results


class _Player:
    def __init__(self, newcomer: Newcomer) -> None:
        self._newcomer = newcomer
        self._terminals: dict[str, Terminal] = {}

    def take(self, step: Step) -> Result:
        """Take one step."""
        where = f"line {step.line}: " if step.line else ""
        print(f"\n=== {where}{step.title}", flush=True)
        if isinstance(step, Skip):
            print(f"  skipped: {step.reason}", flush=True)
            return Result(step, "skipped", said=step.reason)
        started = time.monotonic()
        try:
            terminal = self._terminal(step.terminal)
            if isinstance(step, Stop):
                terminal.stop(step.seconds, step.expect)
            else:
                self._run(terminal, step)
            self._nothing_has_died()
        except StepFailed as error:
            print(f"  FAILED: {error}", flush=True)
            return Result(step, "FAILED", time.monotonic() - started, str(error))
        return Result(step, "passed", time.monotonic() - started)

    def stop_the_rest(self) -> list[Result]:
        """Press Ctrl-C wherever something runs, the latest first."""
        busy = [terminal.name for terminal in self._terminals.values() if terminal.busy]
        return [self.take(Stop(0, name, title="Ctrl-C at the end")) for name in reversed(busy)]

    def close(self) -> None:
        """Close all terminals."""
        for terminal in self._terminals.values():
            terminal.close()

    def _terminal(self, name: str) -> Terminal:
        if name not in self._terminals:
            new = self._newcomer
            self._terminals[name] = Terminal(name, new.work, new.environment, new.own)
        return self._terminals[name]

    def _run(self, terminal: Terminal, block: Block) -> None:
        if terminal.busy:
            raise StepFailed(f"terminal {terminal.name} is busy with what was started there")
        script = CLONE.sub(lambda found: found[1] + self._newcomer.address, block.script)
        for line in script.splitlines():
            print(f"  {terminal.name}$ {line}", flush=True)
        if block.background:
            terminal.start(script, block.seconds, block.until)
        else:
            terminal.run(script, block.seconds, block.expect)

    def _nothing_has_died(self) -> None:
        for terminal in self._terminals.values():
            if not terminal.still_runs():
                raise StepFailed(f"what ran in terminal {terminal.name} has ended by itself")


def _nothing_left() -> Result:
    """Give the last processes a moment, then say what is still there."""
    step = Stop(0, "", title="nothing is left running")
    started = time.monotonic()
    while left := alive(descendants(os.getpid())):
        if time.monotonic() > started + GONE_WITHIN:
            said = "; ".join(sorted(_commands(left)))
            print(f"\n=== left running: {said}", flush=True)
            return Result(step, "FAILED", GONE_WITHIN, f"left running: {said}")
        time.sleep(0.1)
    return Result(step, "passed", time.monotonic() - started)


def _commands(pids: set[int]) -> Iterator[str]:
    for pid in pids:
        with suppress(OSError):
            octets = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").strip()
            session = os.getsid(pid)
            yield f"{pid} (session {session}) {octets.decode(errors='replace')}"


def _kill(pids: set[int]) -> None:
    """Kill processes of ours, and those that they start meanwhile, and bury them."""
    deadline = time.monotonic() + SECONDS
    while (left := alive(pids)) and time.monotonic() < deadline:
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
        pids = descendants(os.getpid())
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
