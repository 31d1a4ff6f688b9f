"""Messages as they were written once: the form that every later release must read.

``vN/`` holds, for each version of the messages, one signed message for each example of a stage, and
``schema.json``: the members of every body. ``trusted/`` and ``keys/`` belong to no installation: the
keys sign nothing but these files.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pipeline.crypto.envelope import Envelope
from pipeline.crypto.identity import Identity, read_certificate
from pipeline.crypto.trust import Trust
from pipeline.messages import (
    CARRIES,
    VERSION,
    Body,
    CheckpointNotice,
    Decision,
    IssuerNotice,
    Outcome,
    OutcomeBatch,
    Payload,
    Submission,
    SubmissionBatch,
    WakeUp,
)
from pipeline.stages import DECIDE, DELIVER, POLICY, RELAY, SIGN, STAGES, TRANSMIT, Role
from pipeline.states import SIGNER_STATES, State

FOLDER: Final = Path(__file__).resolve().parent
CURRENT: Final = FOLDER / f"v{VERSION}"

NOW: Final = datetime(2026, 5, 17, 12, 30, 15, 678901, tzinfo=UTC)
LATER: Final = datetime(2026, 5, 17, 12, 30, 16, tzinfo=UTC)
MESSAGE_ID: Final = "01890000-0000-7000-8000-0000000000ff"
FIRST, SECOND = (f"01890000-0000-7000-8000-00000000000{digit}" for digit in "12")
DIGEST: Final = "0123456789abcdef" * 4

ENDS: Final = sorted(SIGNER_STATES - {State.ISSUED})

EXAMPLES: Final[Mapping[str, Body]] = {
    f"{RELAY.queue}": WakeUp(),
    f"{SIGN.queue}": WakeUp(),
    f"{TRANSMIT.queue}": WakeUp(),
    f"{POLICY.queue}": SubmissionBatch(
        [
            Submission(FIRST, b"csr", "server", "api", NOW),
            Submission(SECOND, b"\x00\xff", "client", "web", LATER, "ci", "wozu? 🔑\n", 7),
        ],
        [SECOND],
    ),
    f"{POLICY.queue}.withdrawals": SubmissionBatch(withdrawals=[FIRST, SECOND]),
    f"{DECIDE.queue}.accept": Decision(FIRST, "accept", DIGEST, NOW),
    f"{DECIDE.queue}.reject": Decision(SECOND, "reject", DIGEST, LATER, "Not “ours”."),
    f"{DELIVER.queue}": OutcomeBatch(
        [
            Outcome(FIRST, 3, State.ISSUED, NOW, certificate=b"certificate", issuer=DIGEST),
            *(Outcome(SECOND, 2, state, LATER, f"because of {state}") for state in ENDS),
        ],
        [IssuerNotice(DIGEST, [b"issuing", b"middle"], b"root")],
    ),
    f"{DELIVER.queue}.checkpoints": OutcomeBatch(
        checkpoints=[
            CheckpointNotice("log\n1\n", "key"),
            CheckpointNotice("log\n9\n", "key", 1, [bytes(range(32))]),
        ]
    ),
    f"{DELIVER.queue}.issuers": OutcomeBatch(issuers=[IssuerNotice(DIGEST, [b"issuing"], b"root")]),
}
"""A body for each file, by its name: the queue, and a word when there are several."""

SENDERS: Final = {Role.WEB: "web", Role.SIGNER: "signer", Role.APPROVER: "approver"}


def queue_of(name: str) -> str:
    """Return the queue of an example."""
    return ".".join(name.split(".")[:2])


def envelope(name: str) -> Envelope:
    """Return what seals an example as the one who may send it, and opens it, at the time ``NOW``."""
    (role,) = STAGES[queue_of(name)].senders
    sender = SENDERS[role]
    certificate = (FOLDER / "trusted" / f"{sender}.pem").read_bytes()
    key = load_pem_private_key((FOLDER / "keys" / f"{sender}.key").read_bytes(), password=None)
    assert isinstance(key, Ed25519PrivateKey)
    me = Identity(read_certificate(x509.load_pem_x509_certificate(certificate)), key)
    return Envelope(me, Trust(FOLDER / "trusted"), lambda: NOW)


def seal(name: str) -> bytes:
    """Write an example as this release writes it; Ed25519 has one signature for one message."""
    return envelope(name).seal(MESSAGE_ID, STAGES[queue_of(name)], EXAMPLES[name])


def schema() -> dict[str, Any]:
    """Return the members of every body, with their types and limits, as this release has them."""
    kinds = [Payload, *dict.fromkeys(CARRIES.values())]
    _, components = msgspec.json.schema_components(kinds)
    for found in components.values():
        found.pop("description", None)
    return dict(sorted(components.items()))
