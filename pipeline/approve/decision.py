"""Make an approver's decision and seal it: a digest of what was shown, under their own key."""

import uuid
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from pipeline.clock import Clock
from pipeline.crypto import identity
from pipeline.crypto.envelope import Envelope
from pipeline.crypto.identity import Identity
from pipeline.crypto.visible import visible
from pipeline.digest import Approvable
from pipeline.errors import HttpcaError, MessageRefused, SettingsError
from pipeline.messages import Decision, says_something
from pipeline.stages import DECIDE, Role
from settings.approver import ApproverSettings
from settings.credentials import message_passphrase

Verdict = Literal["accept", "reject"]

MAX_REASON: Final = 2000

WITHOUT_REASON: Final = (
    "A rejection needs a reason: the requester is told it and must know what to do differently."
)


class DecisionRefused(HttpcaError):
    """This decision cannot be made as it is; the sentence says what is missing."""


def load_identity(settings: ApproverSettings, ask: Callable[[], bytes | None]) -> Identity:
    """Load the approver's message certificate and key from their folder.

    ``ask`` is asked for the passphrase of an encrypted key that no file and no credential holds.

    Raises:
        SettingsError: a file is missing or wrong, or the certificate is somebody else's.
    """
    folder = Path(settings.directory)
    certificate_file = folder / "message.pem"
    key_file = folder / "message.key"
    passphrase = message_passphrase(folder, settings.message_passphrase_file)
    if passphrase is None and identity.is_encrypted(key_file):
        passphrase = ask()
    loaded = identity.load(certificate_file, key_file, passphrase)
    sender = loaded.sender
    if sender.role is not Role.APPROVER or sender.name != settings.name:
        raise SettingsError(
            certificate_file,
            "",
            f"this certificate speaks for {sender.uri}, not for approver {settings.name!r}",
        )
    return loaded


def check_reason(verdict: Verdict, reason: str) -> str:
    """Return the reason as it is sent: without spaces around it, on one line.

    Raises:
        DecisionRefused: it is missing, too long, or holds characters that cannot be seen.
    """
    reason = " ".join(reason.split())
    if verdict == "reject" and not says_something(reason):
        raise DecisionRefused(WITHOUT_REASON)
    if len(reason) > MAX_REASON:
        raise DecisionRefused(f"The reason is longer than {MAX_REASON} characters. Shorten it.")
    if visible(reason, MAX_REASON) != reason:
        raise DecisionRefused(
            "The reason contains characters that cannot be seen:"
            f" “{visible(reason, 200)}”. Type it again."
        )
    return reason


def decide(about: Approvable, verdict: Verdict, reason: str, moment: datetime) -> Decision:
    """Make a decision over the digest of what was shown.

    Raises:
        DecisionRefused: see ``check_reason``.
    """
    return Decision(
        request_id=about.request_id,
        verdict=verdict,
        digest=about.digest(),
        decided_at=moment,
        reason=check_reason(verdict, reason),
    )


def seal(decision: Decision, signer: Identity, clock: Clock) -> tuple[str, bytes]:
    """Return the id of the message that carries a decision, and the signed message.

    Raises:
        DecisionRefused: the approver's certificate is not valid now, so nobody would believe it.
    """
    try:
        signer.certificate.check_time(clock())
    except MessageRefused as refused:
        until = signer.certificate.certificate.not_valid_after_utc
        raise DecisionRefused(
            "Your message certificate is not valid now"
            f" ({refused.reason}; it ends on {until:%Y-%m-%d %H:%M} UTC)."
            " Ask the operator for a new one."
        ) from refused
    message_id = str(uuid.uuid4())
    return message_id, Envelope(signer, None, clock).seal(message_id, DECIDE, decision)
