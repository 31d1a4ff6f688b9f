"""Where faults can strike, and which one strikes next.

Each simulation has a climate of its own: some kinds of fault do not exist in it, others are common.
So some runs show what two kinds do together while all else is well, some are plain hell, and some
are duels of processes that freeze and overtake each other.
"""

import random
from collections import Counter
from enum import Enum, auto
from typing import Final

from tests.simulation.faults import Fault


class Killed(BaseException):
    """The process is dead: nothing catches this."""


class Place(Enum):
    """Points that every piece of work passes."""

    BEGIN = auto()
    """Before a transaction."""
    STATEMENT = auto()
    """Before a statement in a transaction."""
    COMMIT = auto()
    COMMITTED = auto()
    """After a commit, before the program hears of it."""
    ENDED = auto()
    """After a transaction."""
    SEND = auto()
    SENT = auto()
    KEY = auto()
    """When the CA key is asked to sign."""
    WAIT = auto()
    """In patience."""


FREEZE: Final = Fault.INTERLEAVED

STRIKES: Final[dict[Place, tuple[Fault, ...]]] = {
    Place.BEGIN: (FREEZE, Fault.DATABASE_OUT),
    Place.STATEMENT: (Fault.KILLED_IN_TRANSACTION, Fault.CONNECTION_LOST),
    Place.COMMIT: (Fault.KILLED_BEFORE_COMMIT, Fault.COMMIT_REFUSED),
    Place.COMMITTED: (Fault.KILLED_AFTER_COMMIT, Fault.ANSWER_LOST),
    Place.ENDED: (FREEZE,),
    Place.SEND: (FREEZE, Fault.KILLED_BEFORE_SEND, Fault.BROKER_OUT, *2 * (Fault.PUBLISH_REFUSED,)),
    Place.SENT: (FREEZE, Fault.KILLED_AFTER_SEND, Fault.CONFIRM_LOST),
    Place.KEY: (FREEZE, FREEZE, Fault.KILLED_AT_KEY, Fault.KEY_OUT),
    Place.WAIT: (FREEZE, Fault.STOPPED_WAITING),
}

DEATHS: Final = frozenset(
    fault for strikes in STRIKES.values() for fault in strikes if fault.deadly
)
"""What ends a process."""

DUELS: Final = 0.25
"""How many simulations are about little but processes that freeze and overtake each other."""
_DISTURBS_DUELS: Final = frozenset(
    fault for fault in Fault if fault.deadly or fault.startswith(("database:", "key:", "stop:"))
)

_RATES: Final = (0.0, 0.3, 1.0, 2.0)
_OFTEN: Final = {Place.STATEMENT: 0.015, Place.KEY: 0.9, Place.WAIT: 0.2}
"""How likely something strikes at a place, in a climate of 1."""
_ELSE: Final = 0.07


class Chaos:
    """Decides at every place whether a fault strikes, and which."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.active = True
        self.tally: Counter[Fault] = Counter()
        self.climate = {fault: rng.choice(_RATES) for fault in Fault}
        self.harshness = rng.choice((0.3, 1.0, 1.0, 2.0))
        if rng.random() < DUELS:
            self.climate |= dict.fromkeys(_DISTURBS_DUELS, 0.0)
            self.climate |= dict.fromkeys((FREEZE, Fault.LEASE_OVER), 3.0)

    def strike(self, place: Place) -> Fault | None:
        """Return the fault that strikes here and now."""
        if not self.active:
            return None
        if self.rng.random() >= _OFTEN.get(place, _ELSE) * self.harshness:
            return None
        kinds = STRIKES[place]
        kind = kinds[self.rng.randrange(len(kinds))]
        return kind if self.likely(kind) else None

    def likely(self, kind: Fault, chance: float = 0.5) -> bool:
        """Draw whether a fault of a kind happens: with ``chance`` in a climate of 1."""
        return self.active and self.rng.random() < chance * self.climate[kind]

    def took_effect(self, kind: Fault) -> None:
        """Count a fault that really happened."""
        self.tally[kind] += 1
