"""Message identities for tests: a message CA, certificates for every role, and trust folders."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.clock import now
from pipeline.crypto.envelope import Envelope
from pipeline.crypto.identity import Identity, Sender, read_certificate
from pipeline.crypto.trust import Trust
from pipeline.setup import message_ca
from pipeline.stages import Role

WEB = Sender(Role.WEB, "web")
SIGNER = Sender(Role.SIGNER, "signer")
APPROVER = Sender(Role.APPROVER, "approver")


@dataclass
class MessageWorld:
    """One message CA and a trust folder, with a clock that stands still until it is moved."""

    folder: Path
    moment: datetime = field(default_factory=now)

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.ca = message_ca.make("message CA", self.moment)
        self.put("message-ca", self.ca.certificate)

    def clock(self) -> datetime:
        """Return the moment."""
        return self.moment

    def put(self, name: str, certificate: x509.Certificate) -> Path:
        """Put a certificate into the trust folder."""
        file = self.folder / f"{name}.pem"
        file.write_bytes(certificate.public_bytes(Encoding.PEM))
        return file

    def identity(
        self,
        sender: Sender,
        *,
        trusted: bool = True,
        ca: message_ca.MessageCa | None = None,
        begins: datetime | None = None,
        lifetime: timedelta | None = None,
    ) -> Identity:
        """Issue a message certificate; put it into the trust folder unless told not to."""
        issued = message_ca.issue(ca or self.ca, sender, begins or self.moment, lifetime)
        if trusted:
            self.put(
                f"{sender.role}-{sender.name}-{issued.certificate.serial_number}",
                issued.certificate,
            )
        return of(issued.certificate, issued.key)

    def envelope(self, identity: Identity) -> Envelope:
        """Return what seals as this identity and opens by this folder's trust."""
        return Envelope(identity, Trust(self.folder), self.clock)


def of(certificate: x509.Certificate, key: Ed25519PrivateKey) -> Identity:
    """Return the identity of a certificate and its key."""
    return Identity(read_certificate(certificate), key)
