"""How many attacks were tried on each consumer, and how many were refused for the named reason."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import pytest

CONSUMERS: Final = ("memory", "rabbitmq")


@dataclass
class Tally:
    """Counts by consumer."""

    tried: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    def sentence(self) -> str:
        """Return the line for the end of the run; the lower number of the two consumers counts."""
        tried, refused = (
            min(counts[one] for one in CONSUMERS) for counts in (self.tried, self.refused)
        )
        return (
            f"attacks: {tried} tried on each of {len(CONSUMERS)} consumers,"
            f" {refused} refused for the named reason"
        )


TALLY: Final = pytest.StashKey[Tally]()
