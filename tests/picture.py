"""Draws what stands on a terminal as SVG.

Each run of characters of one look is as wide as its columns, whatever font there is."""

import re
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from html import escape
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from tests.terminal import COLUMNS, Line

WIDTH: Final = 8.4
HEIGHT: Final = 18
MARGIN: Final = 16
BAR: Final = 32
"""Pixels: of a character, of a line, around the text, and of the bar above."""

COLOURS: Final = {
    "default": "#d6d9de",
    "cyan": "#56b6c2",
    "brown": "#e5c07b",  # what pyte calls yellow
    "yellow": "#e5c07b",
}
FONT: Final = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"

_VOLATILE: Final = re.compile(
    r"(?P<uuid>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"|(?P<digest>\b[0-9a-f]{64}\b)"
    r"|(?P<moment>\d{4}-\d\d-\d\d \d\d:\d\d)"
    r"|(?P<age>less than a minute|\d+ minutes?)(?= ago)"
    r"|(?P<end>\d{4}-\d\d-\d\d)(?=\))"
    r"|(?P<wait>\d{4}-\d\d-\d\d)"
)
_INSTEAD: Final = {
    "moment": "2026-03-02 09:15",
    "age": "2 hours",
    "end": "2026-05-31",
    "wait": "2026-04-01",
}
"""What differs from one run to the next, and what stands in its place."""


def steady(lines: Iterable[Line]) -> list[Line]:
    """Return lines with what differs from run to run replaced, each character in its look."""
    seen: list[str] = []
    return [_steady(line, seen) for line in lines]


def _steady(line: Line, seen: list[str]) -> Line:
    result: Line = []
    end = 0
    for found in _VOLATILE.finditer("".join(char.data for char in line)):
        result += line[end : found.start()]
        result += [line[found.start()]._replace(data=char) for char in _instead(found, seen)]
        end = found.end()
    return [*result, *line[end:]][:COLUMNS]


def _instead(found: re.Match[str], seen: list[str]) -> str:
    kind = found.lastgroup or ""
    if kind in _INSTEAD:
        return _INSTEAD[kind]
    if found[0] not in seen:
        seen.append(found[0])
    made = sha256(str(seen.index(found[0])).encode()).hexdigest()
    return str(UUID(made[:32])) if kind == "uuid" else made


def draw(lines: Sequence[Line], title: str, description: str) -> str:
    """Return the picture of lines in a window of that title; ``description`` is for who cannot see."""
    width = round(COLUMNS * WIDTH + 2 * MARGIN)
    height = BAR + len(lines) * HEIGHT + 2 * MARGIN
    size = f'width="{width}" height="{height}"'
    said = escape(description)
    bar = f'<text x="{width // 2}" y="{BAR // 2 + 5}" text-anchor="middle" fill="#9aa0aa"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {size} role="img">',
        f"<title>{said}</title>",
        f'<rect {size} rx="8" fill="#1e2127"/>',
        *(
            f'<circle cx="{20 + 18 * number}" cy="{BAR // 2}" r="5" fill="#4b515c"/>'
            for number in range(3)
        ),
        f'{bar} font-family="{FONT}" font-size="13">{escape(title)}</text>',
        f'<g font-family="{FONT}" font-size="14">',
    ]
    for number, line in enumerate(lines):
        parts += _runs(line, BAR + MARGIN + number * HEIGHT + 13)
    return "\n".join([*parts, "</g>", "</svg>", ""])


def _runs(line: Line, y: int) -> Iterator[str]:
    column = 0
    for (colour, bold), group in groupby(line, key=_look):
        text = "".join(char.data for char in group)
        shown = escape(text.strip()).replace(" ", "\u00a0")  # else several become one
        if text.strip():
            weight = ' font-weight="bold"' if bold else ""
            begin = column + len(text) - len(text.lstrip())
            yield (
                f'<text x="{MARGIN + begin * WIDTH:.1f}" y="{y}" fill="{COLOURS[colour]}"'
                f"{weight}"
                f' textLength="{len(text.strip()) * WIDTH:.1f}" lengthAdjust="spacingAndGlyphs">'
                f"{shown}</text>"
            )
        column += len(text)


def _look(char: Any) -> tuple[str, bool]:
    return char.fg, char.bold
