"""How many inputs were tried, of which kind."""

from dataclasses import dataclass
from typing import Final

import pytest


@dataclass
class Tally:
    """Counts of inputs: from the corpus, changed by us, and tried under guidance."""

    corpus: int = 0
    changed: int = 0
    guided: int = 0

    def sentence(self, targets: int) -> str:
        """Return the line for the end of the run."""
        return (
            f"inputs fuzzed: {self.corpus + self.changed + self.guided} on {targets} targets"
            f" ({self.corpus} of the corpus, {self.changed} changed, {self.guided} guided by coverage)"
        )


TALLY: Final = pytest.StashKey[Tally]()
