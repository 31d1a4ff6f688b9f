"""A key that came before: what a rule's ``key_reuse`` says of it (pure).

``"refuse"``: a key is used once. A number: in so many certificates. ``"same-requester"``: only by
whoever brought it first; of the anonymous nobody can tell that they are the same.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

Uses = Counter[str | None]
"""How often a key is in use, by requester."""

MOST: Final = 1_000_000
REFUSE: Final = "refuse"
SAME_REQUESTER: Final = "same-requester"
ALLOWED: Final = (
    f'"{REFUSE}", "{SAME_REQUESTER}", a number from 1 to {MOST}, or a list of the last two'
)

ANOTHERS: Final = (
    "This key is in use by another requester, and this certificate authority takes a key from one"
    " requester only. Make a key of your own, and a new CSR with it."
)
TAKEN: Final = (
    "This key is in use already, and this certificate authority takes each key once. Make a new key,"
    " and a new CSR with it."
)
OFTEN: Final = (
    "This key is in use %d times already, and this certificate authority takes it no more often."
    " Make a new key, and a new CSR with it."
)


@dataclass(frozen=True, slots=True)
class KeyReuse:
    """What a rule allows: how many certificates for one key (None: any number), and for whom."""

    most: int | None
    same_requester: bool

    def refusal(self, uses: Uses, requester: str | None) -> str | None:
        """Return the sentence to a requester whose key has these uses, or None."""
        others = uses.total() - (uses[requester] if requester is not None else 0)
        if self.same_requester and others:
            return ANOTHERS
        if self.most is not None and uses.total() >= self.most:
            return TAKEN if self.most == 1 else OFTEN % self.most
        return None


def parse(values: Iterable[object]) -> KeyReuse:
    """Read what a policy says.

    Raises:
        ValueError: what was found and what is allowed.
    """
    most: int | None = None
    same = False
    given = list(values)
    for value in given:
        if value == SAME_REQUESTER and not same:
            same = True
        elif value == REFUSE and len(given) == 1:
            most = 1
        elif type(value) is int and 1 <= value <= MOST and most is None:
            most = value
        else:
            raise ValueError(f"found {value!r}; allowed are {ALLOWED}")
    if not given:
        raise ValueError("found an empty list; leave the key out instead")
    return KeyReuse(most, same)


def of_rule(rule: dict[str, Any]) -> KeyReuse | None:
    """Return what a rule's snapshot says of keys that came before, if it says anything."""
    said = rule.get("key_reuse")
    if said is None:
        return None
    return parse(said if isinstance(said, list) else [said])
