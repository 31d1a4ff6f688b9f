"""Where the time of one certificate goes: a picture of bars, made from the figures as SVG."""

from collections.abc import Mapping
from typing import Any, Final
from xml.sax.saxutils import escape

COLOURS: Final = (
    ("web", "#4477aa"),
    ("signer", "#228833"),
    ("PostgreSQL", "#ccbb44"),
    ("RabbitMQ", "#ee6677"),
    ("load", "#999999"),
)
"""By how a part's name begins; a palette that is told apart by people who see colours otherwise."""

OTHER: Final = "#666666"

WIDTH: Final = 760
LEFT: Final = 150
RIGHT: Final = 90
BAR: Final = 18
GAP: Final = 6
HEAD: Final = 34

LEAST: Final = 0.005
"""Milliseconds below which a part gets no bar."""


def picture(figures: Mapping[str, Any]) -> str:
    """Return the picture of the cases that have costs; CPU milliseconds for one certificate."""
    cases = [case for case in ("throughput", "batches") if case in figures["cases"]]
    costs = {case: _costs(figures["cases"][case]["summary"]["cpu"]) for case in cases}
    longest = max((spent for parts in costs.values() for _, spent in parts), default=1.0)
    lines, top = [], 8
    for case, parts in costs.items():
        total = sum(spent for _, spent in parts)
        lines.append(_text(8, top + 18, f"{case}: {total:.2f} ms of CPU a certificate", "bold"))
        top += HEAD
        for part, spent in parts:
            lines += _bar(part, spent, longest, top)
            top += BAR + GAP
        top += GAP * 2
    style = 'font-family="sans-serif" font-size="13"'
    title = "CPU time of one certificate, by process"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}" '
        f'viewBox="0 0 {WIDTH} {top}" role="img" {style}>'
    )
    ground = f'<rect width="{WIDTH}" height="{top}" fill="#ffffff"/>'
    return "\n".join([head, f"<title>{title}</title>", ground, *lines, "</svg>", ""])


def _costs(cpu: Mapping[str, Mapping[str, float]]) -> list[tuple[str, float]]:
    parts = [(part, spent["median"]) for part, spent in cpu.items() if spent["median"] >= LEAST]
    return sorted(parts, key=lambda one: -one[1])


def _bar(part: str, spent: float, longest: float, top: int) -> list[str]:
    width = max(1.0, (WIDTH - LEFT - RIGHT) * spent / longest)
    colour = next((found for begin, found in COLOURS if part.startswith(begin)), OTHER)
    return [
        _text(8, top + BAR - 5, part),
        f'<rect x="{LEFT}" y="{top}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>',
        _text(LEFT + width + 6, top + BAR - 5, f"{spent:.2f} ms"),
    ]


def _text(x: float, y: float, words: str, weight: str = "normal") -> str:
    return f'<text x="{x:.1f}" y="{y}" font-weight="{weight}" fill="#222222">{escape(words)}</text>'
