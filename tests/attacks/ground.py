"""What attacks are tried on: both sides, and the honest people whose messages they do work on."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from sqlalchemy import update

from pipeline.approve import decision as decisions
from pipeline.approve import waiting
from pipeline.crypto import identity
from pipeline.crypto.identity import Identity
from pipeline.messages import Outcome, OutcomeBatch, Submission, SubmissionBatch, WakeUp
from pipeline.setup.message_ca import MessageCa
from pipeline.stages import DECIDE, DELIVER, POLICY, RELAY, Stage
from pipeline.states import State
from pipeline.web import tables as web_tables
from pipeline.web.intake import Intake
from pipeline.web.submit import Wish, submit
from tests import factories
from tests.attacks import forge
from tests.attacks.sides import Sides


@dataclass(frozen=True, slots=True)
class Genuine:
    """A message that an honest sender made, and whom or what it is about."""

    stage: Stage
    octets: bytes
    me: Identity
    about: str = ""


class Ground(Sides):
    """Both sides, with the identities of all who may send."""

    def __init__(self, directory: Path, broker: str) -> None:
        super().__init__(directory, broker)
        setup = directory / "setup"
        self.message_ca = MessageCa(
            x509.load_pem_x509_certificate((setup / "message-ca.pem").read_bytes()),
            load_pem_private_key((setup / "message-ca.key").read_bytes(), None),  # type: ignore[arg-type]
        )
        self.me = {
            name: self._identity(folder)
            for name, folder in (
                ("web", "web"),
                ("signer", "signer"),
                ("approver", "approvers/approver"),
                ("approver-2", "approvers/approver-2"),
            )
        }
        # The web side learns the issuing CAs now, and not while somebody compares what it knows.
        issuing = OutcomeBatch(issuers=self.signer.side.issuers.notices())
        self.work_off(DELIVER, self.sealed(DELIVER, "signer", issuing).octets)

    # --- honest people ----------------------------------------------------------------------------

    def genuine(self, stage: Stage, *, requested: datetime | None = None) -> Genuine:
        """Return a genuine message to a stage that will take effect when it is delivered."""
        sent_at = requested or self.now()
        if stage is POLICY:
            wanted = self.submission()
            return self.sealed(stage, "web", SubmissionBatch([wanted]), wanted.id, sent_at)
        if stage is DECIDE:
            return self.decision(self.waiting_request(), "accept")
        if stage is DELIVER:
            request_id = self.web_request()
            outcome = Outcome(request_id, 1, State.REJECTED, self.now(), "It must not be.")
            return self.sealed(stage, "signer", OutcomeBatch([outcome]), request_id, sent_at)
        sender = "web" if stage is RELAY else "signer"
        return self.sealed(stage, sender, WakeUp(), moment=sent_at)

    def sealed(
        self, stage: Stage, sender: str, body: Any, about: str = "", moment: datetime | None = None
    ) -> Genuine:
        """Seal a body as one of the installation's own identities."""
        me = self.me[sender]
        octets = forge.seal(me, stage, new_id(), body, moment or self.now())
        return Genuine(stage, octets, me, about)

    def deliver(self, genuine: Genuine) -> None:
        """Deliver a genuine message and see that it takes effect."""
        assert not self.has_effect(genuine)
        self.work_off(genuine.stage, genuine.octets)
        self.wait(lambda: self.has_effect(genuine, done=True))

    def has_effect(self, genuine: Genuine, *, done: bool = False) -> bool:
        """Say whether a message has done what it is for; a wake-up without work has when it is
        ``done``."""
        if genuine.stage is POLICY:
            return self.state(genuine.about) is not None
        if genuine.stage is DECIDE:
            return self.state(genuine.about) == State.ISSUED
        if genuine.stage is DELIVER:
            return self.web_state(genuine.about) == State.REJECTED
        return done

    def submission(self, name: str = "", **changes: Any) -> Submission:
        """Return a new submission of the web side, that an approver would have to decide."""
        csr = factories.csr(names=[f"DNS:{name or f'{new_id()}.example.com'}"])
        fields: dict[str, Any] = {
            "id": new_id(),
            "csr": csr,
            "profile": "server",
            "source": "api",
            "submitted_at": self.now(),
        }
        return Submission(**fields | changes)

    def waiting_request(self, name: str = "") -> str:
        """Let the web side submit a request that waits for an approver; return its id."""
        wanted = self.submission(name)
        message = self.sealed(POLICY, "web", SubmissionBatch([wanted]), wanted.id)
        self.work_off(POLICY, message.octets)
        assert self.state(wanted.id) == State.WAITING_FOR_APPROVAL
        return wanted.id

    def decision(self, request_id: str, verdict: Any, approver: str = "approver") -> Genuine:
        """Return an approver's decision on what they are shown."""
        request = waiting.get(self.signer_database, request_id)
        assert request is not None
        reason = "" if verdict == "accept" else "It must not be."
        made = decisions.decide(request.approvable(), verdict, reason, self.now())
        return self.sealed(DECIDE, approver, made, request_id)

    def web_request(self) -> str:
        """Let somebody submit a request on the web side, which nobody relays."""
        wish = Wish(factories.csr(names=[f"DNS:{new_id()}.example.com"]), "server", "api", None)
        request_id = submit(Intake(self.web_database), self.web.side.settings, wish, self.now).id
        with self.web_database.write() as connection:
            rows = web_tables.requests
            connection.execute(
                update(rows).where(rows.c.id == request_id).values(next_attempt_at=None)
            )
        return request_id

    # --- trust ------------------------------------------------------------------------------------

    def trust(self, certificate: x509.Certificate, *, side: str = "signer") -> Path:
        """Put a certificate into a side's trust folder, as its operator would."""
        file = self.directory / side / "trusted" / f"{new_id()}.pem"
        file.write_bytes(certificate.public_bytes(Encoding.PEM))
        self.look_again()
        return file

    def look_again(self) -> None:
        """Let both sides look into their trust folders at once."""
        for opened in (self.web, self.signer):
            trust = opened.broker.gate.envelope.trust
            assert trust is not None
            trust.refresh()

    def _identity(self, folder: str) -> Identity:
        place = self.directory / folder
        return identity.load(place / "message.pem", place / "message.key")


def new_id() -> str:
    """Return an id that nobody has used."""
    return str(uuid.uuid4())
