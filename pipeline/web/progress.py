"""How far a request is, in words."""

from dataclasses import dataclass
from typing import Final

from pipeline.errors import N_
from pipeline.states import State

STATES: Final[dict[State, tuple[str, str]]] = {
    State.SUBMITTED: (
        N_("Submitted"),
        N_("Your request is stored. It will be sent to the signer in a moment."),
    ),
    State.RELAYED: (
        N_("Sent to the signer"),
        N_("Your request was sent to the signer, which checks it against its policy."),
    ),
    State.WAITING_FOR_APPROVAL: (
        N_("Waiting for approval"),
        N_(
            "An administrator decides on this request. You can close this page and come back later:"
            " keep its address."
        ),
    ),
    State.WAITING_FOR_SIGNATURE: (
        N_("Waiting for the signature"),
        N_("The request is approved. The certificate will be signed in a moment."),
    ),
    State.ISSUED: (N_("Issued"), N_("The certificate is ready.")),
    State.REJECTED: (N_("Rejected"), N_("There will be no certificate for this request.")),
    State.WITHDRAWN: (N_("Withdrawn"), N_("The request was withdrawn, as you wished.")),
    State.EXPIRED: (
        N_("Expired"),
        N_("Nobody decided on this request in time. Submit it again if you still need it."),
    ),
    State.FAILED: (
        N_("Held up"),
        N_(
            "The certificate could not be made. The request is kept, and an operator has to look at"
            " it."
        ),
    ),
}
"""Each state's name, and what it means for the requester."""

STEPS: Final = (
    N_("Submitted"),
    N_("Sent to the signer"),
    N_("Check and approval"),
    N_("Signed"),
    N_("Ready to download"),
)

_REACHED: Final = {
    State.SUBMITTED: 1,
    State.RELAYED: 2,
    State.WAITING_FOR_APPROVAL: 2,
    State.WAITING_FOR_SIGNATURE: 3,
    State.FAILED: 3,
    State.ISSUED: 5,
}

REFRESH: Final = {State.WAITING_FOR_APPROVAL: 20, State.FAILED: 60}
REFRESH_SOON: Final = 2
"""Seconds after which the page of a request that is under way looks again."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step; ``mark`` is ``done``, ``current``, ``held`` or ``open``, or ``ended``."""

    name: str
    mark: str


def steps(state: State) -> list[Step]:
    """Return the steps of a request in this state; what ended without certificate ends the list."""
    reached = _REACHED.get(state)
    if reached is None:
        done = [Step(name, "done") for name in STEPS[:2]]
        return [*done, Step(STATES[state][0], "ended")]
    at = "held" if state is State.FAILED else "current"
    return [
        Step(name, "done" if number < reached else at if number == reached else "open")
        for number, name in enumerate(STEPS)
    ]


def refresh(state: State) -> int:
    """Return after how many seconds it is worth looking again."""
    return REFRESH.get(state, REFRESH_SOON)
