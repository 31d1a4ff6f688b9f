"""Seeds of what is in `on_messages`: each recorded message, and what is in it."""

import hashlib
from datetime import UTC, datetime

import msgspec
import pika

from pipeline.crypto import checkpoint
from pipeline.messages import (
    CheckpointNotice,
    IssuerNotice,
    Outcome,
    OutcomeBatch,
    Payload,
    Submission,
    SubmissionBatch,
)
from pipeline.stages import STAGES
from pipeline.states import State
from tests import recorded
from tests.attacks.forge import RawHeaders, nested
from tests.fuzz import on_csrs, on_messages, on_proofs
from tests.fuzz.seeds import Seeds
from tests.fuzz.seeds.of_certificates import issued_certificate
from tests.fuzz.seeds.of_csrs import csrs


def tokens() -> Seeds:
    for file in sorted(recorded.CURRENT.glob("*.jws")):
        door = on_messages.QUEUES.index(recorded.queue_of(file.stem))
        yield file.stem, bytes((door,)) + file.read_bytes().strip()
    unsigned = b"eyJhbGciOiJub25lIn0.e30."
    yield "alg-none", b"\0" + unsigned


def payloads() -> Seeds:
    for name, body in recorded.EXAMPLES.items():
        queue = recorded.queue_of(name)
        stage = STAGES[queue]
        payload = Payload(
            1, recorded.MESSAGE_ID, stage.name, queue, recorded.NOW,
            msgspec.Raw(msgspec.json.encode(body)),
        )  # fmt: skip
        yield name, bytes((on_messages.QUEUES.index(queue),)) + msgspec.json.encode(payload)


def bodies() -> Seeds:
    doors = {stage.queue: number for number, stage in enumerate(on_messages.STAGED)}
    for name, body in recorded.EXAMPLES.items():
        if (queue := recorded.queue_of(name)) in doors:
            yield f"recorded.{name}", bytes((doors[queue],)) + msgspec.json.encode(body)
    for name, octets in csrs():
        der = octets if name.endswith(".der") else b""
        if der and len(der) < 3000:
            number = hashlib.sha256(name.encode()).hexdigest()[:12]
            one = Submission(
                f"01890000-0000-7000-8000-{number}", der, "server", "api", recorded.NOW, "ci", "[b]x[/b]"
            )  # fmt: skip
            yield f"submission.{name}", b"\0" + msgspec.json.encode(SubmissionBatch([one]))
    certificate, key_id = issued_certificate(), on_messages.KNOWN_ID
    for state in (State.WAITING_FOR_APPROVAL, State.WAITING_FOR_SIGNATURE, State.FAILED):
        outcome = Outcome(key_id, 3, state, recorded.NOW, "so")
        yield f"outcome.{state}", b"\2" + msgspec.json.encode(OutcomeBatch([outcome]))
    issued = Outcome(
        key_id, 9, State.ISSUED, recorded.NOW, certificate=certificate, issuer="ab" * 32
    )
    yield "outcome.issued", b"\2" + msgspec.json.encode(OutcomeBatch([issued]))
    issuer = on_csrs.issuer()
    notice = IssuerNotice(issuer.fingerprint, list(issuer.chain), issuer.root)
    yield "issuer", b"\2" + msgspec.json.encode(OutcomeBatch(issuers=[notice]))
    signed = checkpoint.sign(1, b"\1" * 32, on_proofs.LOG_KEY)
    key = str(checkpoint.verifier(on_proofs.LOG_KEY.public_key()))
    note = CheckpointNotice(signed.note, key)
    yield "checkpoint", b"\2" + msgspec.json.encode(OutcomeBatch(checkpoints=[note]))


def spooled() -> Seeds:
    for file in sorted(recorded.CURRENT.glob("*.jws")):
        yield file.stem, file.read_bytes().strip()


def properties() -> Seeds:
    for number, found in enumerate((
        pika.BasicProperties(headers={"k": 1, "l": [1, {"m": "n"}], "t": datetime(2026, 1, 1, tzinfo=UTC)}),
        pika.BasicProperties(content_type="a", delivery_mode=2, expiration="1", timestamp=1),
        pika.BasicProperties(),
    )):  # fmt: skip
        yield f"{number}", b"".join(found.encode())
    yield "nested", b"".join(RawHeaders(nested(300)).encode())
