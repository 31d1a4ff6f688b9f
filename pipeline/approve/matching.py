"""Many similar requests at once: those that wait and match what the approver named."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.approve.facts import Facts
from pipeline.crypto.patterns import Pattern
from pipeline.crypto.visible import visible
from pipeline.errors import HttpcaError

KINDS: Final = ("rule", "requester", "names")


class MatchingRefused(HttpcaError):
    """What was given to ``--matching`` says nothing; the sentence says what does."""


@dataclass(frozen=True, slots=True)
class Matching:
    """One condition: ``kind`` is one of ``KINDS``; ``pattern`` is read where it is ``names``."""

    kind: str
    text: str
    pattern: Pattern | None = None

    def holds(self, facts: Facts) -> bool:
        """Say whether a request matches; of names each has to, and there is one at least."""
        if self.kind == "rule":
            return facts.request.rule.get("name") == self.text
        if self.kind == "requester":
            return facts.request.requester == self.text
        if facts.csr is None or not facts.csr.names or self.pattern is None:
            return False
        return all(self.pattern.matches(name) for name in facts.csr.names)


def read(texts: Sequence[str]) -> list[Matching]:
    """Read conditions as they are typed: ``rule=NAME``, ``requester=NAME``, ``names=PATTERN``.

    The kind is named, since a requester may have chosen the name of a rule.

    Raises:
        MatchingRefused: what was found and what is allowed.
    """
    found = []
    for text in texts:
        kind, separator, value = text.partition("=")
        if kind not in KINDS or not separator or not value:
            raise MatchingRefused(
                f"“{visible(text, 80)}” does not say what to match: write rule=NAME, requester=NAME or"
                " names=PATTERN (as *.example.com)"
            )
        try:
            pattern = Pattern.parse(value) if kind == "names" else None
        except ValueError as error:
            raise MatchingRefused(visible(str(error), 400)) from None
        found.append(Matching(kind, value, pattern))
    return found
