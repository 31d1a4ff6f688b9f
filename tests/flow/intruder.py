"""Somebody who sends what they like with a key that they took, and what came of it."""

from dataclasses import dataclass
from typing import Any

from cryptography import x509
from sqlalchemy import select

from pipeline import messages
from pipeline.crypto import identity, jws
from pipeline.crypto.envelope import Envelope
from pipeline.messages import Body, Submission, SubmissionBatch
from pipeline.signer import tables as signer_tables
from pipeline.stages import POLICY, Stage
from tests import factories
from tests.attacks.ground import new_id
from tests.flow.world import World


@dataclass
class Intruder:
    """Somebody on a host who says to the signer whatever they like; ``folder`` holds the key."""

    world: World
    folder: str = "web"

    def __post_init__(self) -> None:
        folder = self.world.directory / self.folder
        self.me = identity.load(folder / "message.pem", folder / "message.key")

    def submission(self, *names: str, **changes: Any) -> Submission:
        """Return a submission for DNS names that nobody requested."""
        fields: dict[str, Any] = {
            "id": new_id(),
            "csr": factories.csr(names=[f"DNS:{name}" for name in names]),
            "profile": "server",
            "source": "api",
            "submitted_at": self.world.time(),
        }
        return Submission(**fields | changes)

    def say(self, *submissions: Submission, withdrawals: list[str] | None = None) -> None:
        """Send to `policy`, and let the signer do all that comes of it."""
        batch = SubmissionBatch(list(submissions), withdrawals or [])
        self.world.exchange.publish(POLICY.queue, self.sealed(POLICY, batch))
        self.world.run()
        self.world.sweep()

    def sealed(self, stage: Stage, body: Body) -> bytes:
        """Seal anything to anybody."""
        return Envelope(self.me, None, self.world.time).seal(new_id(), stage, body)

    def state(self, submission: Submission | str) -> str:
        """Return a request's state at the signer."""
        found: str = self.world.signer_row(
            submission if isinstance(submission, str) else submission.id
        ).state
        return found


def issued_names(world: World) -> list[tuple[str, ...]]:
    """Return the names in all certificates that the signer ever issued, sorted."""
    with world.signer_database.read() as connection:
        found = connection.scalars(select(signer_tables.certificates.c.certificate)).all()
    names = []
    for der in found:
        certificate = x509.load_der_x509_certificate(der)
        san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names.append(tuple(san.get_values_for_type(x509.DNSName)))
    return sorted(names)


def audited(world: World, request_id: str) -> list[tuple[str, Any]]:
    """Return what the signer's audit table says of a request."""
    audit = signer_tables.audit
    with world.signer_database.read() as connection:
        rows = connection.execute(
            select(audit.c.event, audit.c.details)
            .where(audit.c.request_id == request_id)
            .order_by(audit.c.id)
        ).all()
    return [(row.event, row.details) for row in rows]


def read_decision(octets: bytes) -> Any:
    """Return the decision in a message."""
    payload = messages.read(messages.Payload, jws.parse(octets).payload)
    return messages.read(messages.Decision, payload.body)


def certificate_key(world: World, request: str) -> Any:
    """Return the public key in a request's certificate."""
    return x509.load_der_x509_certificate(world.certificate(request)).public_key()


def csr_key(octets: bytes) -> Any:
    """Return the public key in a CSR."""
    return x509.load_der_x509_csr(octets).public_key()
