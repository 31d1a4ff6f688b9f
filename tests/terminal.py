"""A command in a pseudo-terminal of 80 columns, and what stands on its screen."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import pexpect
import pyte

PROMPT: Final = "[a]ccept  [r]eject  [s]kip  [c]SR  [h]istory  [q]uit >"
WAIT: Final = 60.0
"""Seconds for anything to appear; against hanging only."""

COLUMNS: Final = 80
ROWS: Final = 24

ENVIRONMENT: Final = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"}

LOOKS: Final = re.compile(r"\x1b\[[0-9;]*m")
"""What changes the look of what follows, and moves nothing."""

Line = list[Any]
"""The characters of a line (``pyte.screens.Char``)."""


class Terminal:
    """A command in a pseudo-terminal; ``raw`` is all that it wrote."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str] = ENVIRONMENT
    ) -> None:
        self.screen = pyte.HistoryScreen(COLUMNS, ROWS, history=1000)
        self.stream = pyte.Stream(self.screen)
        self.raw = ""
        self._pressed = 0
        self.child = pexpect.spawn(
            command[0],
            list(command[1:]),
            dimensions=(ROWS, COLUMNS),
            encoding="utf-8",
            env=dict(environment),
            timeout=WAIT,
        )

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def scrolled(self) -> list[Line]:
        """All lines, also those that have left the screen, as they looked."""
        rows = [*self.screen.history.top, *(self.screen.buffer[row] for row in range(ROWS))]
        return [[row[column] for column in range(COLUMNS)] for row in rows]

    def until(self, wanted: Callable[[str], bool]) -> str:
        """Read until the screen shows what is wanted, and return the screen."""
        deadline = time.monotonic() + WAIT
        while not wanted(self.text):
            assert time.monotonic() < deadline, self.text
            try:
                more = self.child.read_nonblocking(4096, timeout=1)
            except pexpect.TIMEOUT:
                continue
            except pexpect.EOF:
                assert wanted(self.text), self.text
                break
            self.raw += more
            self.stream.feed(more)
        return self.text

    def until_asked(self) -> str:
        """Read until the last line of the screen asks for a key."""
        return self.until(lambda text: text.rstrip().endswith(PROMPT))

    def until_shown(self, words: str) -> str:
        """Read until this was shown since the last key; what follows at once may have moved it out of
        the screen again."""

        def wanted(_: str) -> bool:
            shown = LOOKS.sub("", self.raw[self._pressed :])
            return words in " ".join(shown.split())

        return self.until(wanted)

    def press(self, keys: str) -> None:
        self._pressed = len(self.raw)
        self.child.send(keys)

    def code(self) -> int | None:
        self.child.expect(pexpect.EOF)
        more = self.child.before or ""
        self.raw += more
        self.stream.feed(more)
        self.child.close()
        return self.child.exitstatus
