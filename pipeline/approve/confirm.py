"""Send decisions, again and again, until the signer's database shows them or the time is over.

Publishing again is harmless: the id of the message is the key of the signer's row. Whatever is not
confirmed stays in the spool, and the next run begins with it.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy.exc import DBAPIError

from pipeline import quorum
from pipeline.approve import standing, waiting
from pipeline.approve.carrier import Carrier
from pipeline.approve.decision import Verdict
from pipeline.approve.spool import Spool, Spooled
from pipeline.approve.waiting import Recorded, Request
from pipeline.database.engine import Database

LOOK_EVERY: Final = 0.1
"""Seconds between two looks into the signer's database."""

REPEAT_AFTER: Final = 2.0
"""Seconds after which an unconfirmed decision is published again; each time twice as long."""


class Result(StrEnum):
    """What became of a decision."""

    COUNTED = "counted"
    DECIDED_ALIKE = "decided-alike"
    DECIDED_OTHERWISE = "decided-otherwise"
    CHANGED = "changed"
    NOT_POSSIBLE = "not-possible"
    UNKNOWN = "unknown-request"
    NOT_CONFIRMED = "not-confirmed"


EXIT: Final = {
    Result.COUNTED: 0,
    Result.DECIDED_ALIKE: 0,
    Result.CHANGED: 1,
    Result.NOT_POSSIBLE: 1,
    Result.UNKNOWN: 3,
    Result.DECIDED_OTHERWISE: 4,
    Result.NOT_CONFIRMED: 5,
}
"""The exit code of a command that did only this."""

_WORST_FIRST: Final = (1, 5, 3, 4)


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


@dataclass(frozen=True, slots=True)
class Confirmer:
    """Sends decisions by ``carrier`` and waits until ``database`` shows them.

    ``me`` is the approver's name; ``monotonic`` (seconds) and ``sleep`` are seams.
    """

    database: Database
    spool: Spool
    carrier: Carrier
    me: str
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def confirm(self, decisions: Sequence[Spooled], timeout: float) -> list[Answer]:
        """Send what the signer does not show yet, and return an answer for each, in order.

        Gives up after ``timeout`` seconds, and at once on Ctrl-C: what is not confirmed by then
        stays in the spool. Each is sent once at least, unless the database shows it already.
        """
        answers: dict[str, Answer] = {}
        missing = {spooled.message_id: spooled for spooled in decisions}
        deadline = self.monotonic() + timeout
        send_at, pause = float("-inf"), REPEAT_AFTER
        try:
            while True:
                self._collect(missing, answers)
                if missing and self.monotonic() >= send_at:
                    self._send(missing)
                    send_at, pause = self.monotonic() + pause, pause * 2
                left = deadline - self.monotonic()
                if not missing or left <= 0:
                    break
                self.sleep(min(LOOK_EVERY, left))
        except KeyboardInterrupt:
            pass  # the approver does not want to wait: what is missing is said below
        for spooled in missing.values():
            answers[spooled.message_id] = self._not_confirmed(spooled)
        return [answers[spooled.message_id] for spooled in decisions]

    def _collect(self, missing: dict[str, Spooled], answers: dict[str, Answer]) -> None:
        """Move what the database shows from ``missing`` to ``answers`` and out of the spool."""
        try:
            shown = waiting.recorded(self.database, self.me, missing)
            for message_id, record in shown.items():
                request = waiting.get(self.database, record.request_id)
                answers[message_id] = self._answer(missing[message_id], record, request)
                self.spool.remove(message_id)
                del missing[message_id]
        except DBAPIError:
            return  # out of reach for now; the next look may find it

    def _send(self, missing: dict[str, Spooled]) -> None:
        for spooled in missing.values():
            if not self.carrier.send(spooled.octets):
                return  # what one attempt could not reach, the others cannot either

    def _answer(self, spooled: Spooled, record: Recorded, request: Request | None) -> Answer:
        def answer(result: Result, sentence: str) -> Answer:
            decision = spooled.decision
            return Answer(
                decision.request_id,
                decision.verdict,
                result,
                sentence,
                request,
                spooled.message_id,
            )

        mine = spooled.decision.verdict
        if request is None or record.effect == "unknown-request":
            return answer(Result.UNKNOWN, "The signer does not know this request.")
        if record.effect == standing.COUNTED:
            return answer(Result.COUNTED, _counted(mine, request))
        if record.effect == "wrong-digest":
            return answer(
                Result.CHANGED,
                "Refused: the request is not, or no longer, what you were shown."
                " Nothing was decided by this; look at it again.",
            )
        if record.effect == "without-reason":
            return answer(Result.NOT_POSSIBLE, "Refused: the rejection has no reason.")
        if record.effect == "revoked":
            return answer(
                Result.NOT_POSSIBLE,
                "Refused: the signer trusts your message certificate no more, so your decision"
                " does not count. Ask the operator for a new one.",
            )
        if record.effect in (quorum.OWN_REQUEST, quorum.NOT_ADMITTED):
            why = standing.not_mine(request, self.me)
            return answer(Result.NOT_POSSIBLE, f"Recorded, and does not count. {why}".rstrip())
        if record.effect == quorum.VOIDED:
            return answer(
                Result.CHANGED,
                "Your decision was voided, since the request was put under another policy."
                " Look at it again.",
            )
        before = _said_before(self.me, request) if record.effect == "repeated" else None
        if before is not None:
            stands = f"You {standing.done(before.verdict)} it on {standing.at(before.decided_at)}."
            alike = before.verdict == mine
        else:
            stands = standing.describe(request, self.me)
            alike = standing.verdict(request) == mine
        if alike:
            return answer(
                Result.DECIDED_ALIKE, f"{stands} Your decision says the same and is recorded."
            )
        return answer(
            Result.DECIDED_OTHERWISE,
            f"Your decision is recorded, came too late, and changes nothing. {stands}",
        )

    def _not_confirmed(self, spooled: Spooled) -> Answer:
        why = f"{self.carrier.trouble} " if self.carrier.trouble else ""
        return Answer(
            spooled.decision.request_id,
            spooled.decision.verdict,
            Result.NOT_CONFIRMED,
            f"Not confirmed by the signer in time. {why}Your decision stays in the spool,"
            " and the next `httpca approve` sends it again.",
            message_id=spooled.message_id,
        )


def _counted(mine: Verdict, request: Request) -> str:
    if request.waits:
        said = f" {standing.so_far(request)}".rstrip()
        return f"Recorded: your decision counts, and the request waits for further approvers.{said}"
    return f"{standing.done(mine).capitalize()}: your decision is recorded and stands."


def _said_before(me: str, request: Request) -> Recorded | None:
    """Return this approver's decision that counts."""
    mine = (d for d in request.decisions if d.approver == me and d.effect == standing.COUNTED)
    return next(mine, None)
