"""What was tried against rights, and how it ended; several test modules print such a summary."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from tests.summary import tell


@dataclass
class Tally:
    """How many operations were allowed and refused, and which ended otherwise than they should."""

    allowed: int = 0
    refused: int = 0
    wrong: list[str] = field(default_factory=list)

    def note(self, what: str, *, expected: bool, found: bool) -> None:
        if found:
            self.allowed += 1
        else:
            self.refused += 1
        if expected is not found:
            self.wrong.append(f"{what} is {'allowed' if found else 'refused'}")

    def judge(self) -> None:
        """Fail when something noted since the last time ended otherwise than it should."""
        wrong, self.wrong = self.wrong, []
        assert wrong == []


@contextmanager
def counted(server: str, roles: int, config: pytest.Config) -> Iterator[Tally]:
    """Give a tally and print it at the end, past pytest's capture."""
    tally = Tally()
    yield tally
    capture = config.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        tried = f"{tally.allowed} allowed, {tally.refused} refused"
        print(f"\n{tell(f'{server}: {roles} roles, operations tried: {tried}')}")
