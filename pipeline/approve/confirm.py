"""Send decisions, again and again, until the signer's database shows them or the time is over.

Publishing again is harmless: the id of the message is the key of the signer's row. Whatever is not
confirmed stays in the spool, and the next run begins with it.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.exc import DBAPIError

from pipeline.approve import waiting
from pipeline.approve.carrier import Carrier
from pipeline.approve.outcome import Answer, Result, outcome
from pipeline.approve.spool import Spool, Spooled
from pipeline.approve.waiting import Request
from pipeline.database.engine import Database

LOOK_EVERY: Final = 0.1
"""Seconds between two looks into the signer's database."""

REPEAT_AFTER: Final = 2.0
"""Seconds after which an unconfirmed decision is published again; each time twice as long."""

NO_ANSWER: Final = (
    "It may be down, or no longer trust your certificate: ask its operator if this stays so."
)


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
                answers[message_id] = self._answer(missing[message_id], record.effect, request)
                self.spool.remove(message_id)
                del missing[message_id]
        except DBAPIError:
            return  # out of reach for now; the next look may find it

    def _send(self, missing: dict[str, Spooled]) -> None:
        for spooled in missing.values():
            if not self.carrier.send(spooled.octets):
                return  # what one attempt could not reach, the others cannot either

    def _answer(self, spooled: Spooled, effect: str, request: Request | None) -> Answer:
        """Return what became of a recorded decision; ``request`` was read after its ``effect``."""
        decision = spooled.decision
        result, sentence = Result.UNKNOWN, "The signer does not know this request."
        if request is not None and effect != "unknown-request":
            now = _effect_on(request, spooled.message_id, self.me) or effect
            result, sentence = outcome(request, decision.verdict, now, self.me)
        return Answer(
            decision.request_id,
            decision.verdict,
            result,
            sentence,
            request,
            spooled.message_id,
        )

    def _not_confirmed(self, spooled: Spooled) -> Answer:
        why = self.carrier.trouble or NO_ANSWER
        return Answer(
            spooled.decision.request_id,
            spooled.decision.verdict,
            Result.NOT_CONFIRMED,
            f"Not confirmed by the signer in time. {why} Your decision stays in the spool,"
            " and the next `httpca approve` sends it again.",
            message_id=spooled.message_id,
        )


def _effect_on(request: Request, message_id: str, me: str) -> str | None:
    """Return a decision's effect as of the moment when the request was read."""
    own = (d for d in request.decisions if d.id == message_id and d.approver == me)
    return next((d.effect for d in own), None)
