"""One request after the other, in a terminal: accept, reject with a reason, skip, CSR,
history, quit.

A key decides only what it was pressed for: what was typed before a request was on the screen is
thrown away.
"""

import sys
import termios
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import click
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

_ASK_AGAIN: Final = (Result.CHANGED, Result.SAID_MEANWHILE, Result.NOT_POSSIBLE)
"""What leaves the request to be looked at again, and decided on."""


class Quit(Exception):
    """The approver wants to stop."""


def read_key() -> str:
    """Read one key; what comes with it at once (Enter) is dropped.

    Raises:
        Quit: on Ctrl-C or Ctrl-D.
    """
    try:
        return click.getchar().strip().lower()
    except (KeyboardInterrupt, EOFError) as error:
        raise Quit from error


def read_line() -> str:
    """Read a line; empty on Ctrl-C or Ctrl-D."""
    try:
        return input()
    except (KeyboardInterrupt, EOFError):
        return ""


def forget_typed() -> None:
    """Throw away what was typed before the terminal showed what it would apply to."""
    termios.tcflush(sys.stdin, termios.TCIFLUSH)


@dataclass
class Walk:
    """A walk through what waits; the three functions are the keyboard."""

    desk: Desk
    console: Console
    timeout: float
    read_key: Callable[[], str] = read_key
    read_line: Callable[[], str] = read_line
    forget_typed: Callable[[], None] = forget_typed
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
            reason = self.read_line()
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
        self.forget_typed()
        self.console.print()
        self.console.print(Text(PROMPT, "bold"), end="")
        while (key := self.read_key()) not in _WORDS:
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
