"""What became of a decision, in a word for scripts and a sentence for the approver (pure).

Made from the effect that the signer recorded and from how the request stands. Whatever came first,
the answer is one of these: it counts; it says what was decided anyway; it was decided otherwise, by
whom and when; or the request still waits, and why the decision did nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pipeline import quorum
from pipeline.approve import standing
from pipeline.approve.decision import Verdict
from pipeline.approve.waiting import Recorded, Request


class Result(StrEnum):
    """What became of a decision.

    After ``CHANGED`` and ``SAID_MEANWHILE`` the request still waits, and nothing was decided
    otherwise: it is another request now, or a colleague has said something since it was shown.
    """

    COUNTED = "counted"
    DECIDED_ALIKE = "decided-alike"
    DECIDED_OTHERWISE = "decided-otherwise"
    CHANGED = "changed"
    SAID_MEANWHILE = "said-meanwhile"
    NOT_POSSIBLE = "not-possible"
    UNKNOWN = "unknown-request"
    NOT_CONFIRMED = "not-confirmed"


EXIT: Final = {
    Result.COUNTED: 0,
    Result.DECIDED_ALIKE: 0,
    Result.CHANGED: 1,
    Result.SAID_MEANWHILE: 1,
    Result.NOT_POSSIBLE: 1,
    Result.UNKNOWN: 3,
    Result.DECIDED_OTHERWISE: 4,
    Result.NOT_CONFIRMED: 5,
}
"""The exit code of a command that did only this."""

_WORST_FIRST: Final = (1, 5, 3, 4)

_ABOUT_ANOTHER: Final = {
    "wrong-digest": "Refused: the request is not, or no longer, what you were shown.",
    quorum.VOIDED: "Your decision was voided, since the request was put under another policy.",
}

_REFUSED: Final = {
    "without-reason": "Refused: the rejection has no reason.",
    "overdue": (
        "Refused: the time for a decision is over, and the request expires. If it is still wanted, it"
        " has to be submitted again."
    ),
    "revoked": (
        "Refused: the signer trusts your message certificate no more, so your decision does not"
        " count. Ask the operator for a new one."
    ),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one decision, as a result and as a sentence for the approver.

    ``request`` is how the request stood then; ``message_id`` is None when nothing was sent.
    """

    request_id: str
    verdict: Verdict
    result: Result
    sentence: str
    request: Request | None = None
    message_id: str | None = None

    @property
    def exit_code(self) -> int:
        """The exit code of a command that did only this."""
        return EXIT[self.result]


def exit_code(answers: Sequence[Answer]) -> int:
    """Return the exit code for several: 0 when all went well, else what matters most."""
    codes = {answer.exit_code for answer in answers}
    return next((code for code in _WORST_FIRST if code in codes), 0)


def outcome(request: Request, mine: Verdict, effect: str, me: str) -> tuple[Result, str]:
    """Return what became of approver ``me``'s decision ``mine``, which has this effect."""
    if effect == standing.COUNTED:
        return _counted(request, mine, me)
    if effect in _ABOUT_ANOTHER:
        return _about_another(request, effect, me)
    if effect in _REFUSED:
        return Result.NOT_POSSIBLE, _REFUSED[effect]
    if effect in (quorum.OWN_REQUEST, quorum.NOT_ADMITTED):
        why = standing.not_mine(request, me)
        return Result.NOT_POSSIBLE, f"Recorded, and does not count. {why}".rstrip()
    before = _said_before(me, request) if effect == "repeated" else None
    if before is not None:
        stands = f"You {standing.done(before.verdict)} it on {standing.at(before.decided_at)}."
        alike = before.verdict == mine
    else:
        stands = standing.describe(request, me)
        alike = standing.verdict(request) == mine
    if alike:
        return Result.DECIDED_ALIKE, f"{stands} Your decision says the same and is recorded."
    if request.waits and before is None:  # an operator has put it back before the approvers
        return Result.CHANGED, "Your decision came too late, and it waits again; look at it again."
    return (
        Result.DECIDED_OTHERWISE,
        f"Your decision is recorded, came too late, and changes nothing. {stands}",
    )


def _counted(request: Request, mine: Verdict, me: str) -> tuple[Result, str]:
    if request.waits:
        said = f" {standing.so_far(request)}".rstrip()
        sentence = "Recorded: your decision counts, and the request waits for further approvers."
        return Result.COUNTED, sentence + said
    if standing.verdict(request) != mine:  # one of several that an approval needs, and then another
        stands = standing.describe(request, me)
        return Result.DECIDED_OTHERWISE, f"Your decision was recorded and counted. {stands}"
    sentence = f"{standing.done(mine).capitalize()}: your decision is recorded and stands."
    return Result.COUNTED, sentence


def _about_another(request: Request, effect: str, me: str) -> tuple[Result, str]:
    """Answer for a decision on the request as it is not, or no longer."""
    if request.waits:
        again = "Nothing was decided by this; look at it again."
        return Result.CHANGED, f"{_ABOUT_ANOTHER[effect]} {again}"
    return Result.DECIDED_OTHERWISE, f"{_ABOUT_ANOTHER[effect]} {standing.describe(request, me)}"


def _said_before(me: str, request: Request) -> Recorded | None:
    """Return this approver's decision that counts."""
    mine = (d for d in request.decisions if d.approver == me and d.effect == standing.COUNTED)
    return next(mine, None)
