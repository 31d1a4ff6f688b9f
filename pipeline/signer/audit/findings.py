"""What a verification of the log found: each finding says what is wrong and where."""

from dataclasses import dataclass, field
from typing import Final

MOST: Final = 1000
"""How many findings a report tells one by one; ``more`` counts the rest."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: ``kind`` is a static word, ``sentence`` says where and what."""

    kind: str
    sentence: str


@dataclass
class Findings:
    """What is wrong, up to a number that somebody may read."""

    findings: list[Finding] = field(default_factory=list)
    more: int = 0

    def found(self, kind: str, sentence: str) -> None:
        """Add a finding, or count it once there are more than anybody reads."""
        if len(self.findings) < MOST:
            self.findings.append(Finding(kind, sentence))
        else:
            self.more += 1

    def take(self, others: "Findings") -> None:
        """Add what others found."""
        for one in others.findings:
            self.found(one.kind, one.sentence)
        self.more += others.more


@dataclass
class Report(Findings):
    """What was verified. ``waiting`` are entries that have no place yet, ``forks`` what the log says of
    checkpoints that it did not continue (an auditor wants to be told why: a restore, for example)."""

    size: int = 0
    root: str = ""
    checkpoints: int = 0
    certificates: int = 0
    waiting: int = 0
    forks: list[str] = field(default_factory=list)
