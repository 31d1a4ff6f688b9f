"""Read the steps that a README tells its reader to take, and how each is to be run."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Final

SECONDS: Final = 60.0
"""What a step may take, unless its comment says otherwise."""

COMMENT: Final = re.compile(r"<!--\s*readme:(.*)-->\s*")
SERVED: Final = re.compile(r"(?:127\.0\.0\.1|localhost):(\d+)")


class ReadmeError(Exception):
    """The README cannot be run as it is written; the message names the line."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"line {line}: {problem}")


@dataclass(frozen=True, slots=True)
class Block:
    """Commands to type in a terminal; those of ``background`` run until they are stopped."""

    line: int
    terminal: str
    script: str
    seconds: float = SECONDS
    expect: tuple[str, ...] = ()
    until: tuple[str, ...] = ()
    background: bool = False

    @property
    def title(self) -> str:
        """Return the first command, as one line."""
        return self.script.splitlines()[0]


@dataclass(frozen=True, slots=True)
class Stop:
    """Ctrl-C in a terminal."""

    line: int
    terminal: str
    seconds: float = SECONDS
    expect: tuple[str, ...] = ()
    title: str = "Ctrl-C"


@dataclass(frozen=True, slots=True)
class Skip:
    """A block that is not run, for a reason."""

    line: int
    title: str
    reason: str
    terminal: str = ""


Step = Block | Stop | Skip


@dataclass(slots=True)
class Comment:
    """What a comment says: words, and lists of values by name."""

    line: int
    words: list[str]
    values: dict[str, list[str]]

    def one(self, name: str, default: str = "") -> str:
        """Return the value that may be there once."""
        found = self.values.get(name, [default])
        if len(found) > 1:
            raise ReadmeError(self.line, f"{name} is there {len(found)} times")
        return found[0]

    def all(self, name: str) -> tuple[str, ...]:
        """Return the values that may be there several times."""
        return tuple(self.values.get(name, ()))

    @property
    def seconds(self) -> float:
        """Return how long the step may take."""
        try:
            return float(self.one("seconds", str(SECONDS)))
        except ValueError:
            raise ReadmeError(self.line, "seconds is no number") from None


def read(text: str) -> list[Step]:
    """Return the steps of a README, in order.

    Raises:
        ReadmeError: a block has no comment, a comment no block, or a comment is not understood.
    """
    steps: list[Step] = []
    pending: Comment | None = None
    lines = enumerate(text.splitlines(), start=1)
    for number, line in lines:
        comment = COMMENT.fullmatch(line)
        if pending is not None and line.strip() and line != "```sh":
            raise ReadmeError(pending.line, "no ```sh block follows this comment")
        if comment is not None:
            said = _comment(number, comment[1])
            if said.words == ["stop"]:
                steps.append(_stop(said))
            else:
                pending = said
        elif line.startswith("```"):
            script = _until_fence(number, lines)
            if line == "```sh":
                if pending is None:
                    raise ReadmeError(number, "this block has no comment that says how to run it")
                steps.append(_block(number, pending, script))
                pending = None
    if pending is not None:
        raise ReadmeError(pending.line, "no ```sh block follows this comment")
    return steps


def ports(steps: list[Step]) -> list[int]:
    """Return the ports of this machine that the blocks name: whoever runs them needs them free."""
    scripts = (step.script for step in steps if isinstance(step, Block))
    return sorted({int(port) for script in scripts for port in SERVED.findall(script)})


def _until_fence(number: int, lines: enumerate[str]) -> str:
    inside: list[str] = []
    for _, line in lines:
        if line == "```":
            return "\n".join(inside) + "\n"
        inside.append(line)
    raise ReadmeError(number, "this block has no end")


def _comment(number: int, text: str) -> Comment:
    comment = Comment(number, [], {})
    for word in shlex.split(text):
        name, is_value, value = word.partition("=")
        if is_value:
            comment.values.setdefault(name, []).append(value)
        else:
            comment.words.append(word)
    return comment


def _only(comment: Comment, words: set[str], names: set[str]) -> None:
    if unknown := (set(comment.words) - words) | (comment.values.keys() - names):
        raise ReadmeError(comment.line, f"not understood: {', '.join(sorted(unknown))}")


def _stop(comment: Comment) -> Stop:
    _only(comment, {"stop"}, {"terminal", "expect", "seconds"})
    return Stop(comment.line, _terminal(comment), comment.seconds, comment.all("expect"))


def _block(number: int, comment: Comment, script: str) -> Block | Skip:
    if "skip" in comment.values:
        _only(comment, set(), {"skip"})
        return Skip(number, script.splitlines()[0], comment.one("skip"))
    _only(comment, {"background"}, {"terminal", "expect", "until", "seconds"})
    block = Block(
        line=number,
        terminal=_terminal(comment),
        script=script,
        seconds=comment.seconds,
        expect=comment.all("expect"),
        until=comment.all("until"),
        background="background" in comment.words,
    )
    if block.background != bool(block.until):
        raise ReadmeError(comment.line, "background and until go together")
    return block


def _terminal(comment: Comment) -> str:
    name = comment.one("terminal")
    if not name:
        raise ReadmeError(comment.line, "in which terminal? terminal=1")
    return name
