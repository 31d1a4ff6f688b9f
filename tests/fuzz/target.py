"""What a target is, and where its inputs lie."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

CORPUS: Final = Path(__file__).resolve().parent / "corpus"

Mutator = Callable[[bytes, Random], bytes]
"""Returns changed octets; all chance comes from the generator that it is given."""


@dataclass(frozen=True)
class Target:
    """One door to the program.

    ``run`` takes the octets in, and raises one of ``admitted`` when it refuses them. ``parses`` are the
    modules whose lines count as reached or not. ``mutate`` knows the form of the input; ``words`` are
    what such inputs are made of.
    """

    name: str
    run: Callable[[bytes], None]
    admitted: tuple[type[Exception], ...]
    parses: tuple[str, ...]
    mutate: Mutator | None = None
    words: tuple[str, ...] = ()

    def accepts(self, octets: bytes) -> bool:
        """Try one input; whatever is raised but the admitted errors is a finding."""
        try:
            self.run(octets)
        except self.admitted:
            return False
        return True

    @property
    def corpus(self) -> list[Path]:
        """The files of its corpus."""
        return sorted((CORPUS / self.name).iterdir())
