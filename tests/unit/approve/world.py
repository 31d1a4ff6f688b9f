"""An approver's world for tests: a real signer database, message certificates, and folders."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from sqlalchemy import Connection, insert, update

from pipeline.approve.desk import Desk
from pipeline.approve.facts import Facts
from pipeline.approve.spool import Spooled
from pipeline.approve.waiting import get
from pipeline.clock import now as real_now
from pipeline.crypto import names as canonical
from pipeline.crypto.envelope import Envelope
from pipeline.crypto.identity import Identity, Sender, read_certificate
from pipeline.crypto.trust import Trust
from pipeline.database.engine import Database, open_database
from pipeline.database.migrate import migrate
from pipeline.messages import Decision
from pipeline.setup import message_ca
from pipeline.signer import issued_names
from pipeline.signer.tables import decisions, issuers, requests, submissions
from pipeline.stages import DECIDE, Role
from pipeline.states import State
from tests.unit.approve.asked import NOON, PROFILE, RULE, key_fingerprint, make_csr, make_issuer


@dataclass
class World:
    """A signer database with what waits in it, and approvers with their folders.

    The signer is played by ``record``, which writes a decision as `decide` does.
    """

    folder: Path
    issuer: x509.Certificate = field(default_factory=make_issuer)

    def __post_init__(self) -> None:
        """Make the database, the message CA, and the folder of trusted certificates."""
        self.url = f"sqlite:///{self.folder / 'signer.db'}"
        self.database: Database = open_database(self.url)
        migrate(self.database, "signer")
        self.ca = message_ca.make("message CA", real_now())
        self.trusted = self.folder / "trusted"
        self.trusted.mkdir()
        _write_pem(self.trusted / "message-ca.pem", self.ca.certificate)
        self.add_issuer(self.issuer)

    def add_issuer(self, certificate: x509.Certificate) -> str:
        """Note an issuing CA in the database; return its fingerprint."""
        fingerprint = certificate.fingerprint(hashes.SHA256()).hex()
        octets = certificate.public_bytes(serialization.Encoding.DER)
        row = {
            "fingerprint": fingerprint,
            "certificate": octets,
            "chain": b"",
            "root": b"",
            "first_seen_at": NOON,
        }
        with self.database.write() as connection:
            connection.execute(insert(issuers), [row])
        return fingerprint

    def approver(self, name: str = "approver", lifetime: timedelta | None = None) -> Path:
        """Make an approver's folder, as `httpca setup` does, and return it."""
        folder = self.folder / "approvers" / name
        (folder / "spool").mkdir(parents=True)
        self._issue(folder, name, lifetime, name)
        (folder / "settings.toml").write_text(
            f'role = "approver"\nname = "{name}"\nsigner_database = "{self.url}"\n', "utf-8"
        )
        return folder

    def renew(self, name: str) -> None:
        """Give an approver a new key and certificate, beside the old one, as `httpca setup` does."""
        self._issue(self.folder / "approvers" / name, name, None, f"{name}-renewed")

    def _issue(self, folder: Path, name: str, lifetime: timedelta | None, file: str) -> None:
        issued = message_ca.issue(self.ca, Sender(Role.APPROVER, name), real_now(), lifetime)
        _write_pem(folder / "message.pem", issued.certificate)
        _write_pem(self.trusted / f"{file}.pem", issued.certificate)
        key = issued.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        (folder / "message.key").write_bytes(key)
        (folder / "message.key").chmod(0o600)

    def identity(self, name: str = "approver") -> Identity:
        """Return a fresh identity of an approver, with no folder."""
        issued = message_ca.issue(self.ca, Sender(Role.APPROVER, name), real_now())
        return Identity(read_certificate(issued.certificate), issued.key)

    def add(
        self,
        csr: bytes | None = None,
        *,
        request_id: str | None = None,
        created_at: datetime = NOON,
        state: State = State.WAITING_FOR_APPROVAL,
        requester: str | None = "requester",
        source: str = "api",
        comment: str = "",
        profile: Mapping[str, Any] | None = None,
        rule: Mapping[str, Any] | None = None,
        reason: str = "",
        issuer: str | None = None,
    ) -> str:
        """Add a request; return its id."""
        request_id = request_id or str(uuid.uuid4())
        fingerprint = issuer or self.issuer.fingerprint(hashes.SHA256()).hex()
        row = {
            "id": request_id,
            "state": state,
            "revision": 1,
            "reason": reason,
            "created_at": created_at,
            "changed_at": created_at,
            "attempts": 0,
            "tell_at": created_at,
            "told_revision": 0,
            "expires_at": created_at + timedelta(days=30),
        }
        submission = {
            "request_id": request_id,
            "csr": csr if csr is not None else make_csr(),
            "profile_name": "server",
            "requester": requester,
            "source": source,
            "comment": comment,
            "submitted_at": created_at,
            "profile": PROFILE.snapshot if profile is None else dict(profile),
            "rule": dict(RULE if rule is None else rule),
            "issuer": fingerprint,
            "policy_digest": "0" * 64,
            "key_fingerprint": key_fingerprint(csr if csr is not None else make_csr()),
        }
        with self.database.write() as connection:
            connection.execute(insert(requests), [row])
            connection.execute(insert(submissions), [submission])
        return request_id

    def issue(self, request_id: str, *names: str) -> None:
        """Let a request be issued, for these DNS names."""
        with self.database.write() as connection:
            issued_names.note(connection, {request_id: [canonical.dns(name) for name in names]})
        self.move(request_id, State.ISSUED)

    def move(self, request_id: str, state: State, reason: str = "") -> None:
        """Put a request into another state."""
        with self.database.write() as connection:
            _move(connection, request_id, state, reason)

    def record(
        self,
        decision: Decision,
        approver: str = "approver",
        effect: str = "counted",
        message_id: str | None = None,
    ) -> None:
        """Record a decision as the signer does; one that counts decides the request."""
        row = {
            "id": message_id or str(uuid.uuid4()),
            "request_id": decision.request_id,
            "approver": approver,
            "verdict": decision.verdict,
            "reason": decision.reason,
            "effect": effect,
            "decided_at": decision.decided_at,
            "received_at": decision.decided_at + timedelta(seconds=1),
            "token": b"",
        }
        accepted = decision.verdict == "accept"
        target = State.WAITING_FOR_SIGNATURE if accepted else State.REJECTED
        with self.database.write() as connection:  # both or none, for whoever looks meanwhile
            connection.execute(insert(decisions), [row])
            if effect == "counted":
                _move(connection, decision.request_id, target, decision.reason)

    def receive(self, spooled: Spooled) -> str:
        """Play the signer on a message: verify it, judge it, record it; return the effect."""
        received = Envelope(self.identity("nobody"), Trust(self.trusted), real_now).open(
            spooled.octets, DECIDE.queue
        )
        decision = received.body
        assert isinstance(decision, Decision)
        request = get(self.database, decision.request_id)
        if request is None:
            effect = "unknown-request"
        elif request.approvable().digest() != decision.digest:
            effect = "wrong-digest"
        else:
            effect = "counted" if request.waits else "late"
        self.record(decision, received.sender.name, effect, received.id)
        return effect

    def close(self) -> None:
        """Close the database."""
        self.database.dispose()


def _move(connection: Connection, request_id: str, state: State, reason: str) -> None:
    connection.execute(
        update(requests)
        .where(requests.c.id == request_id)
        .values(
            state=state,
            reason=reason,
            revision=requests.c.revision + 1,
            changed_at=NOON + timedelta(minutes=5),
        )
    )


def decided(
    request_id: str, verdict: str = "accept", reason: str = "", at: datetime = NOON
) -> Decision:
    """Return somebody's decision, over no digest in particular."""
    assert verdict in ("accept", "reject")
    return Decision(
        request_id=request_id,
        verdict="accept" if verdict == "accept" else "reject",
        digest="0" * 64,
        decided_at=at,
        reason=reason,
    )


def make(desk: Desk, request_id: str, verdict: str = "accept", reason: str = "") -> Spooled:
    """Let an approver decide on what they see now; the decision lies in their spool."""
    made = desk.decide(
        look(desk, request_id), "accept" if verdict == "accept" else "reject", reason
    )
    assert isinstance(made, Spooled)
    return made


def look(desk: Desk, request_id: str) -> Facts:
    """Return what an approver is shown of a request."""
    request = get(desk.database, request_id)
    assert request is not None
    return desk.look(request)


def _write_pem(file: Path, certificate: x509.Certificate) -> None:
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
