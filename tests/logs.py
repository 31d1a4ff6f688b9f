"""What the processes of a test logged, to be shown with the test when it fails.

Their files go with their folders, often before pytest reports, so the end of each is kept when its
process ends.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

LONGEST: Final = 200_000
"""Octets of a file that are looked at, its last ones."""

NOTABLE: Final = 25
LAST: Final = 15
"""Lines that are shown: so many that are more than information, and so many whatever they are."""

_ORDINARY: Final = re.compile(r'"level":"(?:info|debug)"|\[(?:info|debug)\]| LOG: ')

_kept: dict[Path, str] = {}


def follow(log: Path) -> None:
    """Show the end of this file with the tests that fail from now on."""
    _kept.setdefault(log, "")


def keep(log: Path) -> None:
    """Keep the end of a file that may soon be gone."""
    with suppress(OSError):
        _kept[log] = _end_of(log)


def forget() -> None:
    """Show no more what is gone: it belongs to tests that are over."""
    for log in list(_kept):
        if not log.exists():
            del _kept[log]


def ends() -> Iterator[tuple[Path, str]]:
    """Yield each file with its end, which may have been kept."""
    for log in list(_kept):
        keep(log)
        if _kept[log]:
            yield log, _kept[log]


def _end_of(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LONGEST))
        lines = file.read().decode("utf-8", errors="replace").splitlines()
    notable = [number for number, line in enumerate(lines) if not _ORDINARY.search(line)]
    chosen = {*notable[-NOTABLE:], *range(max(0, len(lines) - LAST), len(lines))}
    return "\n".join(lines[number] for number in sorted(chosen))
