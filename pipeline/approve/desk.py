"""One approver at work: their name, key, spool and carrier, and the signer's database."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.approve import decision, facts, past, standing, waiting
from pipeline.approve.carrier import Carrier, carrier_of
from pipeline.approve.confirm import Confirmer
from pipeline.approve.decision import Verdict
from pipeline.approve.facts import Facts
from pipeline.approve.outcome import Answer, Result
from pipeline.approve.past import History
from pipeline.approve.spool import Spool, SpoolDamaged, Spooled
from pipeline.approve.waiting import Request
from pipeline.clock import Clock, now
from pipeline.crypto.certificates import certificate_from_pem
from pipeline.crypto.identity import Identity, read_certificate
from pipeline.crypto.own_identity import CERTIFICATE
from pipeline.database.engine import Database
from settings.approver import ApproverSettings

FLUSH_FOR = 2.0
"""Seconds that a run waits for the decisions of earlier runs before it goes on."""

_FORMER = (
    "Not confirmed by the signer in time. It was signed with a certificate that was yours before, which"
    " the signer may not take any more: look at the request again, and decide anew."
)


def nobody_to_ask() -> bytes | None:
    """Return no passphrase."""
    return None


@dataclass
class Desk:
    """What deciding needs. ``identity`` is loaded when first needed: looking needs no key.

    ``ask_passphrase`` returns the passphrase of an encrypted key, None when nobody can be asked.
    """

    settings: ApproverSettings
    database: Database
    spool: Spool
    carrier: Carrier
    clock: Clock = now
    identity: Identity | None = None
    ask_passphrase: Callable[[], bytes | None] = nobody_to_ask

    @property
    def me(self) -> str:
        """The approver's name."""
        return self.settings.name

    def glance(self, request: Request) -> Facts:
        """Gather what is shown of a request, without what came before it."""
        return facts.gather(request, self.me, self.clock())

    def look(self, request: Request) -> Facts:
        """Gather what is shown of a request."""
        return self.look_at_all([request])[0]

    def look_at_all(self, requests: Sequence[Request]) -> list[Facts]:
        """Gather what is shown of requests."""
        found = [self.glance(request) for request in requests]
        names = {one.request.id: () if one.csr is None else one.csr.names for one in found}
        pasts = past.of(self.database, names)
        return [facts.with_past(one, pasts[one.request.id]) for one in found]

    def history(self, shown: Facts) -> History:
        """Read what came before a request, for a closer look."""
        names = () if shown.csr is None else shown.csr.names
        return past.history(self.database, shown.request, names)

    def under_way(self, request_id: str) -> Spooled | None:
        """Return this approver's decision on a request that is not confirmed yet.

        One that was signed with a former certificate is none: the signer may take it no more, and then
        nothing would ever be decided.
        """
        return next((s for s in self._spooled(request_id) if not self._is_former(s)), None)

    def flush(self, timeout: float = FLUSH_FOR) -> tuple[list[Answer], list[SpoolDamaged]]:
        """Send what earlier runs left; return what became of it, and which files are damaged.

        What was signed with a former certificate is sent while its request waits and nothing else was
        decided in its place.
        """
        spooled, damaged = self.spool.list()
        former = {one.message_id: one for one in spooled if self._is_former(one)}
        answers = self.confirm(spooled, timeout) if spooled else []
        told = []
        for answer in answers:
            if answer.result is Result.NOT_CONFIRMED and answer.message_id in former:
                request = waiting.get(self.database, answer.request_id)
                if request is None or not request.waits:
                    self.spool.remove(answer.message_id)
                    continue
                answer = replace(answer, sentence=_FORMER)
            told.append(answer)
        return told, damaged

    def decide(self, shown: Facts, verdict: Verdict, reason: str = "") -> Spooled | Answer:
        """Make a decision on what was shown and put it into the spool; nothing is sent yet.

        Returns an answer instead when there is nothing to send: the request does not wait (any
        more), has changed since it was shown, cannot be accepted, or a decision is under way.

        Raises:
            DecisionRefused: the reason is missing or wrong, or the approver's certificate expired.
            SpoolUnusable: the decision cannot be kept, so it is not made.
        """
        decision.check_reason(verdict, reason)
        fresh = waiting.get(self.database, shown.request.id)
        answer = self._answer_at_once(shown, fresh, verdict)
        if answer is not None:
            return answer
        before = self.under_way(shown.request.id)
        if before is not None:
            if before.decision.verdict == verdict:
                return before
            sentence = f"Your decision to {before.decision.verdict} it is under way, unconfirmed."
            return _impossible(shown.request, verdict, sentence)
        if self.identity is None:
            self.identity = decision.load_identity(self.settings, self.ask_passphrase)
        made = decision.decide(shown.request.approvable(), verdict, reason, self.clock())
        former = [one for one in self._spooled(shown.request.id) if self._is_former(one)]
        added = self.spool.add(*decision.seal(made, self.identity, self.clock))
        for one in former:  # which may be another verdict, and must not come before this one
            self.spool.remove(one.message_id)
        return added

    def confirm(self, spooled: Sequence[Spooled], timeout: float) -> list[Answer]:
        """Send decisions and wait until the signer's database shows them."""
        confirmer = Confirmer(self.database, self.spool, self.carrier, self.me)
        return confirmer.confirm(spooled, timeout)

    def _spooled(self, request_id: str) -> list[Spooled]:
        spooled, _ = self.spool.list()
        return [one for one in spooled if one.decision.request_id == request_id]

    def _is_former(self, spooled: Spooled) -> bool:
        """Say whether a decision was signed with a certificate that is not this approver's any more."""
        file = Path(self.settings.directory) / CERTIFICATE
        try:
            mine = read_certificate(certificate_from_pem(file.read_bytes()))
        except (OSError, ValueError):  # which whoever decides is told
            return False
        return spooled.thumbprint != mine.thumbprint

    def close(self) -> None:
        """Close the connections."""
        self.carrier.close()
        self.database.dispose()

    def _answer_at_once(
        self, shown: Facts, fresh: Request | None, verdict: Verdict
    ) -> Answer | None:
        """Return what is to be said instead of sending, or None."""
        old = shown.request
        if fresh is None:
            return Answer(old.id, verdict, Result.UNKNOWN, "The request is no longer there.")
        if not fresh.waits:
            # Who decided alike, but on something else than was shown, did not decide this.
            alike = standing.verdict(fresh) == verdict and fresh.approvable() == old.approvable()
            result = Result.DECIDED_ALIKE if alike else Result.DECIDED_OTHERWISE
            sentence = f"{standing.describe(fresh, self.me)} Nothing was sent."
            return Answer(old.id, verdict, result, sentence, fresh)
        if fresh.approvable() != old.approvable():
            sentence = "The request changed while you looked at it. Nothing was sent; look again."
            return Answer(old.id, verdict, Result.CHANGED, sentence, fresh)
        if _counted(fresh) != _counted(old):
            said = standing.so_far(fresh) or "What was said before counts no more."
            sentence = f"Meanwhile: {said} Nothing was sent yet."
            return Answer(old.id, verdict, Result.SAID_MEANWHILE, sentence, fresh)
        if shown.not_mine:
            return _impossible(fresh, verdict, f"Nothing was sent. {shown.not_mine}")
        if verdict == "accept" and shown.unacceptable:
            return _impossible(fresh, verdict, f"It cannot be accepted. {shown.unacceptable}")
        return None


def open_desk(settings: ApproverSettings) -> Desk:
    """Return the desk of an approver's settings.

    Raises:
        NoDatabase: the signer's database is not there.
    """
    return Desk(
        settings=settings,
        database=waiting.open_signer(settings.signer_database),
        spool=Spool(Path(settings.directory) / "spool"),
        carrier=carrier_of(settings),
    )


def _impossible(request: Request, verdict: Verdict, sentence: str) -> Answer:
    return Answer(request.id, verdict, Result.NOT_POSSIBLE, sentence, request)


def _counted(request: Request) -> set[str]:
    return {d.id for d in request.decisions if d.effect == standing.COUNTED}
