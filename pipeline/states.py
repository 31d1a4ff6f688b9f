"""The states of a request and who may change them, per side.

The signer decides; its table is the law. The web side has two states of its own (submitted,
relayed) and then mirrors what the signer says.
"""

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """What has become of a request."""

    SUBMITTED = "submitted"
    RELAYED = "relayed"
    WAITING_FOR_APPROVAL = "waiting_for_approval"
    WAITING_FOR_SIGNATURE = "waiting_for_signature"
    ISSUED = "issued"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    FAILED = "failed"


FINAL: Final = frozenset({State.ISSUED, State.REJECTED, State.WITHDRAWN, State.EXPIRED})
"""States that nothing leaves."""

SIGNER_STATES: Final = frozenset(State) - {State.SUBMITTED, State.RELAYED}
"""States that the signer can tell the web side."""

Transitions = dict[tuple[State | None, State], frozenset[str]]
"""(from, to) → the stages or commands that may make this change; None stands for "not known yet"."""


def _by(*makers: str) -> frozenset[str]:
    return frozenset(makers)


_ORDINARY: Final[Transitions] = {
    (None, State.WAITING_FOR_APPROVAL): _by("policy"),
    (None, State.WAITING_FOR_SIGNATURE): _by("policy"),
    (None, State.REJECTED): _by("policy"),
    (State.WAITING_FOR_APPROVAL, State.WAITING_FOR_APPROVAL): _by("re-evaluate"),
    (State.WAITING_FOR_APPROVAL, State.WAITING_FOR_SIGNATURE): _by("decide", "re-evaluate"),
    (State.WAITING_FOR_APPROVAL, State.REJECTED): _by("decide", "re-evaluate"),
    (State.WAITING_FOR_APPROVAL, State.WITHDRAWN): _by("policy"),
    (State.WAITING_FOR_APPROVAL, State.EXPIRED): _by("clock"),
    (State.WAITING_FOR_SIGNATURE, State.ISSUED): _by("sign"),
    (State.WAITING_FOR_SIGNATURE, State.FAILED): _by("sign"),
    (State.WAITING_FOR_SIGNATURE, State.WAITING_FOR_APPROVAL): _by("suspend"),
    (State.WAITING_FOR_SIGNATURE, State.REJECTED): _by("reject"),
    (State.FAILED, State.WAITING_FOR_SIGNATURE): _by("retry"),
    (State.FAILED, State.REJECTED): _by("reject"),
}

_AFTER_A_RESTORE: Final = {
    (source, end) for source in (None, *(SIGNER_STATES - FINAL)) for end in FINAL
}
"""What a signer did that was restored from a backup, as the web side holds it."""

SIGNER: Final[Transitions] = _ORDINARY | {
    move: _ORDINARY.get(move, frozenset()) | _by("reconcile") for move in _AFTER_A_RESTORE
}

WEB: Final[Transitions] = {
    (None, State.SUBMITTED): _by("submit", "reconcile"),
    (State.SUBMITTED, State.RELAYED): _by("relay"),
} | {
    # An outcome may overtake `relay`'s own mark, and may repeat a state at a higher revision.
    (source, target): _by("deliver")
    for source in frozenset(State) - FINAL
    for target in SIGNER_STATES
}
