"""One request after the other, in a terminal: accept, reject with a reason, skip, CSR,
history, quit.

A key decides only what it was pressed for: what was typed before a request was on the screen is
thrown away.
"""

import os
import sys
import termios
import tty
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from rich.console import Console
from rich.text import Text

from pipeline.approve import csr_view, history_view, waiting
from pipeline.approve.decision import DecisionRefused, Verdict
from pipeline.approve.desk import Desk
from pipeline.approve.facts import Facts
from pipeline.approve.harmless import harmless
from pipeline.approve.outcome import Answer, Result
from pipeline.approve.screen import screen
from pipeline.approve.waiting import Position, Request

PROMPT: Final = "[a]ccept  [r]eject  [s]kip  [c]SR  [h]istory  [q]uit > "

_WORDS: Final = {"a": "accept", "r": "reject", "s": "skip", "c": "CSR", "h": "history", "q": "quit"}

END_OF_INPUT: Final = b"\x04"
"""Ctrl-D, where a key counts at once."""

_ASK_AGAIN: Final = (Result.CHANGED, Result.SAID_MEANWHILE, Result.NOT_POSSIBLE)
"""What leaves the request to be looked at again, and decided on."""


class Quit(Exception):
    """The approver wants to stop."""


@contextmanager
def listening() -> Iterator[Callable[[], str]]:
    """Let a key count at once, without Enter, and yield what reads one.

    What was typed before is thrown away here, and nothing after it: so a question that is asked within
    hears every answer, and none that was given before it was on the screen.

    Raises:
        Quit: on Ctrl-C, on Ctrl-D, or when the terminal is gone.
    """
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    tty.setcbreak(keyboard, termios.TCSAFLUSH)
    try:
        yield partial(_read_key, keyboard)
    except KeyboardInterrupt as interrupt:
        raise Quit from interrupt
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


def _read_key(keyboard: int) -> str:
    """Read one key; what comes with it at once (Enter) is dropped."""
    try:
        typed = os.read(keyboard, 32)
    except OSError as error:
        raise Quit from error
    if not typed or END_OF_INPUT in typed:
        raise Quit
    return typed.decode("utf-8", "replace").strip().lower()


def read_line() -> str:
    """Read a line; empty on Ctrl-C or Ctrl-D."""
    try:
        return input()
    except (KeyboardInterrupt, EOFError):
        return ""


@dataclass
class Walk:
    """A walk through what waits."""

    desk: Desk
    console: Console
    timeout: float
    tally: Counter[str] = field(default_factory=Counter)
    number: int = 0

    def run(self) -> int:
        """Show what waits one by one, until the end or `quit`; return the exit code."""
        position: Position | None = None
        try:
            while (request := waiting.next_after(self.desk.database, position)) is not None:
                position = request.created_at, request.id
                self.number += 1
                self._one(request)
            self._say("That was the last." if self.number else "Nothing waits for approval.")
        except Quit:
            self._say("")
        counts = ", ".join(f"{count} {word}" for word, count in self.tally.items())
        if counts:
            self._say(f"Done: {counts}.")
        return 5 if self.tally["not confirmed"] else 0

    def _one(self, request: Request) -> None:
        """Show one request and ask until it is decided or skipped."""
        facts = self._show(request)
        before = self.desk.under_way(request.id)
        if before is not None:
            self._say(f"Your decision to {before.decision.verdict} it is not confirmed yet.")
        while True:
            key = self._ask()
            if key == "q":
                raise Quit
            if key == "s":
                self.tally["skipped"] += 1
                return
            if key == "c":
                self.console.print(csr_view.view(facts))
                continue
            if key == "h":
                self.console.print(history_view.view(self.desk.history(facts)))
                continue
            answer = self._decide(facts, "accept" if key == "a" else "reject")
            if answer is None:
                continue
            self._say(answer.sentence)
            if answer.result not in _ASK_AGAIN:
                self.tally[_counted_as(answer)] += 1
                return
            fresh = waiting.get(self.desk.database, request.id)
            if fresh is None or not fresh.waits:
                return
            facts = self._show(fresh)

    def _decide(self, facts: Facts, verdict: Verdict) -> Answer | None:
        """Decide and wait for the outcome; None when the approver thought better of it."""
        reason = ""
        if verdict == "reject":
            self.console.print("Reason, for the requester (empty: back) > ", end="")
            reason = read_line()
            if not reason.strip():
                self._say("Not rejected.")
                return None
        try:
            made = self.desk.decide(facts, verdict, reason)
        except DecisionRefused as refused:
            self._say(str(refused))
            return None
        if isinstance(made, Answer):
            return made
        self._say("Signed, waiting for the signer …")
        return self.desk.confirm([made], self.timeout)[0]

    def _show(self, request: Request) -> Facts:
        facts = self.desk.look(request)
        left = waiting.count(self.desk.database)
        title = f"Request {self.number} ({left} waiting)"
        self.console.print()
        self.console.print(screen(facts, self.desk.me, self.desk.clock(), title))
        return facts

    def _ask(self) -> str:
        self.console.print()
        with listening() as read_key:
            self.console.print(Text(PROMPT, "bold"), end="")
            while (key := read_key()) not in _WORDS:
                pass  # Enter after a key, and keys that mean nothing here
        self.console.print(Text(_WORDS[key]))
        return key

    def _say(self, sentence: str) -> None:
        self.console.print(Text(harmless(sentence, 4000)))


def _counted_as(answer: Answer) -> str:
    if answer.result is Result.COUNTED:
        return "accepted" if answer.verdict == "accept" else "rejected"
    if answer.result is Result.NOT_CONFIRMED:
        return "not confirmed"
    return "decided by others"
