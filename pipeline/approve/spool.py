"""The approver's own spool: each decision lies there before it is sent, until the signer shows it.

A decision is the one message that nobody else can say again. One file per message, named by the
message's id; a file is there whole or not at all.
"""

import os
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline import messages
from pipeline.crypto import jws
from pipeline.errors import HttpcaError, MessageRefused
from pipeline.messages import Decision
from pipeline.stages import DECIDE

SUFFIX: Final = ".jws"

_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class SpoolUnusable(HttpcaError):
    """The spool cannot be written, so no decision may be sent."""


class SpoolDamaged(HttpcaError):
    """A file of the spool does not hold the decision that its name says."""


@dataclass(frozen=True, slots=True)
class Spooled:
    """A decision under way: the id of its message, the signed message, and what it says."""

    message_id: str
    octets: bytes
    decision: Decision

    @property
    def thumbprint(self) -> str:
        """That of the certificate it was signed with, as the message names it."""
        return jws.parse(self.octets).header.thumbprint


class Spool:
    """One approver's folder of decisions under way.

    ``sync`` is a seam: tests watch it, and stop before and after.
    """

    def __init__(self, folder: Path, sync: Callable[[int], None] = os.fsync) -> None:
        self.folder = folder
        self._sync = sync

    def path(self, message_id: str) -> Path:
        """Return where a message lies."""
        return self.folder / (message_id + SUFFIX)

    def add(self, message_id: str, octets: bytes) -> Spooled:
        """Put a message into the spool; when this returns, a power cut does not lose it.

        Raises:
            SpoolUnusable: the folder is missing, full or not ours.
        """
        spooled = Spooled(message_id, octets, read_decision(message_id, octets))
        draft = self.folder / f".{message_id}.{secrets.token_hex(4)}"
        try:
            self._write(draft, octets)
            draft.rename(self.path(message_id))
            self._sync_folder()
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise SpoolUnusable(
                f"The spool {self.folder} cannot be written ({error.strerror});"
                " nothing was sent. Mend that and decide again."
            ) from error
        return spooled

    def list(self) -> tuple[list[Spooled], list[SpoolDamaged]]:
        """Return what lies in the spool, oldest decision first, and what is damaged."""
        found: list[Spooled] = []
        damaged: list[SpoolDamaged] = []
        for file in sorted(self.folder.glob("*" + SUFFIX)):
            message_id = file.name.removesuffix(SUFFIX)
            if not _ID.fullmatch(message_id):  # also the drafts, which begin with a dot
                continue
            try:
                octets = file.read_bytes()
                found.append(Spooled(message_id, octets, read_decision(message_id, octets)))
            except FileNotFoundError:  # another run saw it recorded and removed it
                continue
            except (OSError, MessageRefused) as error:
                damaged.append(SpoolDamaged(f"{file} holds no decision ({error})."))
        found.sort(key=lambda spooled: (spooled.decision.decided_at, spooled.message_id))
        return found, damaged

    def remove(self, message_id: str) -> None:
        """Forget a message: the signer's database shows it, or it is not to be sent any more."""
        self.path(message_id).unlink(missing_ok=True)

    def _write(self, draft: Path, octets: bytes) -> None:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(octets)
            file.flush()
            self._sync(file.fileno())

    def _sync_folder(self) -> None:
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._sync(descriptor)
        finally:
            os.close(descriptor)


def read_decision(message_id: str, octets: bytes) -> Decision:
    """Read the decision inside a message of our own; its signature is for the signer to check.

    Raises:
        MessageRefused: it is no message, another one, or carries no decision.
    """
    payload = messages.read(messages.Payload, jws.parse(octets).payload)
    if payload.id != message_id:
        raise MessageRefused("another-message")
    if payload.queue != DECIDE.queue:
        raise MessageRefused("wrong-queue")
    return messages.read(Decision, payload.body)
