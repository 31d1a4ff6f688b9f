"""How a request stands: whether it is decided, which way, by whom and when, in one sentence."""

from datetime import datetime
from typing import Final

from pipeline import quorum
from pipeline.approve.decision import Verdict
from pipeline.approve.waiting import Recorded, Request
from pipeline.crypto.visible import visible
from pipeline.states import State

COUNTED: Final = quorum.COUNTED
"""The effect of a decision that counts."""

_VERDICTS: Final[dict[State, Verdict]] = {
    State.WAITING_FOR_SIGNATURE: "accept",
    State.ISSUED: "accept",
    State.FAILED: "accept",
    State.REJECTED: "reject",
}

_DONE: Final[dict[str, str]] = {"accept": "accepted", "reject": "rejected"}

_SENTENCES: Final = {
    State.WAITING_FOR_APPROVAL: "It waits for approval.",
    State.WAITING_FOR_SIGNATURE: "It was accepted without an approver.",
    State.ISSUED: "Its certificate was issued without an approver.",
    State.FAILED: "It was accepted without an approver, and issuing failed.",
    State.REJECTED: "It was rejected by the policy or an operator",
    State.WITHDRAWN: "Its requester withdrew it",
    State.EXPIRED: "It expired, with nobody having decided,",
}


def verdict(request: Request) -> Verdict | None:
    """Return which way the request was decided, or None when it waits or nobody decided."""
    return _VERDICTS.get(request.state)


def decisive(request: Request) -> Recorded | None:
    """Return the decision that completed the verdict, or None when no approver's decision did."""
    wanted = verdict(request)
    counted = [d for d in request.decisions if d.effect == COUNTED and d.verdict == wanted]
    return max(counted, key=lambda d: d.received_at, default=None)


def describe(request: Request, me: str) -> str:
    """Say how the request stands: who decided what and when, or what else became of it."""
    by = decisive(request)
    if by is not None:
        who = "you" if by.approver == me else by.approver
        sentence = f"It was {done(by.verdict)} by {who} on {at(by.decided_at)}"
        return sentence + (f": “{visible(by.reason)}”" if by.reason else ".")
    sentence = _SENTENCES[request.state]
    if sentence.endswith("."):
        return sentence
    sentence = f"{sentence} on {at(request.changed_at)}"
    if request.state is State.REJECTED and request.reason:
        return f"{sentence}: “{visible(request.reason)}”"
    return sentence + "."


def so_far(request: Request) -> str:
    """Say who has accepted a request that waits, and how many more it needs; empty when nobody has."""
    accepted = [d.approver for d in request.decisions if d.effect == COUNTED]
    if not accepted or not request.waits:
        return ""
    return f"{len(accepted)} of {quorum.needed(request.rule)} have accepted: {', '.join(accepted)}."


def not_mine(request: Request, me: str) -> str:
    """Say why a decision of approver ``me`` would not count; empty when it would."""
    counts = quorum.admitted(request.rule, request.requester, me)
    if counts == quorum.OWN_REQUEST:
        return (
            "You asked for this yourself, as far as the web side says: somebody else decides on it."
        )
    if counts == quorum.NOT_ADMITTED:
        names = ", ".join(visible(str(name), 63) for name in request.rule["approver_names"])
        return f"Its rule lets others decide: {names}."
    return ""


def done(word: str) -> str:
    """Return ``accepted`` or ``rejected`` for a verdict."""
    return _DONE.get(word, visible(word, 20))


def at(moment: datetime) -> str:
    """Return a time as it is shown everywhere: to the minute, in UTC."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"
