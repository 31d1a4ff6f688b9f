"""What came of a run: figures by name, as a table and as JSON."""

import json
import statistics
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from tests.chaos.faults import KINDS
from tests.chaos.ground import Ground
from tests.chaos.plan import Done
from tests.chaos.verdict import Verdict

SPEEDS = """
    SELECT r.created_at, c.received_at
    FROM requests r JOIN certificates c ON c.request_id = r.id ORDER BY r.created_at
"""

MOMENT: Final = timedelta(seconds=1)
"""For so long a fault lasts at least, where requests that met it are looked for."""


@dataclass
class Report:
    """One run. By kind of fault, ``recoveries`` are the seconds from its beginning until a request
    that was submitted after it was issued, and ``waits`` are the longest that a request took which
    was submitted while it lasted."""

    seed: int
    began: datetime
    seconds: float
    verdict: Verdict
    faults: list[Done]
    without_effect: list[str]
    recoveries: dict[str, list[float]]
    waits: dict[str, list[float]]
    answers: dict[str, int]
    decisions: dict[str, int]
    dead_letters: dict[str, int]
    ends: dict[str, dict[str, int]]
    memory: dict[str, int]
    logged: dict[str, int]
    settled_after: float
    heartbeats_missed: int
    slowest: float = 0.0
    median: float = 0.0
    missing: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether every promise was kept, and every kind of fault really happened."""
        return self.verdict.kept and not self.missing

    def by_kind(self) -> dict[str, dict[str, float | None]]:
        """Return count, median and maximum for each kind of fault."""
        counts = Counter(done.kind for done in self.faults)
        lasted = defaultdict(list)
        for done in self.faults:
            lasted[done.kind].append((done.ended - done.began).total_seconds())
        return {
            kind: {
                "count": counts[kind],
                "lasted": statistics.median(lasted[kind]) if lasted[kind] else 0.0,
                "median": statistics.median(found) if found else None,
                "max": max(found, default=None),
                "waited": max(self.waits.get(kind, []), default=None),
            }
            for kind in KINDS
            for found in [self.recoveries.get(kind, [])]
        }

    def as_json(self) -> str:
        """Return all figures as JSON."""
        figures: dict[str, Any] = {
            "good": self.good,
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "accepted": self.verdict.accepted,
            "final": dict(self.verdict.final),
            "broken": self.verdict.broken,
            "settled_after": round(self.settled_after, 1),
            "seconds_to_issue": {"median": self.median, "slowest": self.slowest},
            "faults": self.by_kind(),
            "timeline": [
                f"{(one.began - self.began).total_seconds():6.1f} to"
                f" {(one.ended - self.began).total_seconds():6.1f} s: {one.kind} ({one.target})"
                for one in self.faults
            ],
            "faults_without_effect": self.without_effect,
            "faults_missing": self.missing,
            "answers": self.answers,
            "decisions": self.decisions,
            "dead_letters": self.dead_letters,
            "heartbeats_missed": self.heartbeats_missed,
            "ends": self.ends,
            "highest_memory_kib": self.memory,
            "logged": self.logged,
        }
        return json.dumps(figures, indent=2)

    def table(self) -> str:
        """Return the figures that matter, to be read."""
        verdict = self.verdict
        final = ", ".join(f"{count} {state}" for state, count in sorted(verdict.final.items()))
        lines = [
            f"seed {self.seed}, {self.seconds:.0f} s",
            "",
            f"{'requests accepted':<36}{verdict.accepted:>8}",
            f"{'final':<36}{verdict.final.total():>8}   {final}",
            *(f"{promise:<36}{len(found):>8}" for promise, found in verdict.broken.items()),
            f"{'dead letters':<36}{sum(self.dead_letters.values()):>8}   {_few(self.dead_letters)}",
            f"{'settled after the last fault':<36}{self.settled_after:>7.1f}s",
            f"{'submitted to issued, median':<36}{self.median:>7.2f}s",
            f"{'submitted to issued, slowest':<36}{self.slowest:>7.1f}s",
            "",
            f"{'fault':<36}{'times':>8}{'lasted':>9}{'recovery':>10}{'at most':>9}{'waited':>9}",
            *(
                f"{kind:<36}{row['count']:>8.0f}{row['lasted']:>8.1f}s"
                f"{_seconds(row['median']):>10}{_seconds(row['max']):>9}"
                f"{_seconds(row['waited']):>9}"
                for kind, row in self.by_kind().items()
            ),
        ]
        for promise, found in verdict.broken.items():
            lines += [f"\n{promise}:", *(f"  {one}" for one in found[:20])] if found else []
        if self.missing:
            lines.append(f"\nnever took effect: {', '.join(self.missing)}")
        return "\n".join(lines)


def speeds(ground: Ground) -> list[tuple[datetime, datetime]]:
    """Return for each certificate when it was asked for and when it was there, in that order."""
    with ground.connect("web") as connection:
        return [(row[0], row[1]) for row in connection.execute(SPEEDS).fetchall()]


def recoveries(
    faults: list[Done], issued: list[tuple[datetime, datetime]]
) -> dict[str, list[float]]:
    """Return for each fault how long it took until a request that came after it was issued."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for fault in faults:
        after = [there for asked, there in issued if asked >= fault.began]
        if after:
            found[fault.kind].append((min(after) - fault.began).total_seconds())
    return found


def waits(faults: list[Done], issued: list[tuple[datetime, datetime]]) -> dict[str, list[float]]:
    """Return for each fault the longest that a request took that was submitted while it lasted."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for fault in faults:
        until = max(fault.ended, fault.began + MOMENT)
        took = [
            (there - asked).total_seconds()
            for asked, there in issued
            if fault.began <= asked <= until
        ]
        if took:
            found[fault.kind].append(max(took))
    return found


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}s"


def _few(counts: dict[str, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in sorted(counts.items()))
