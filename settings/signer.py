"""Settings of the signer side: ``DIR/signer/settings.toml``."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from settings.common import (
    Days,
    ExpiryDays,
    Log,
    QueueType,
    Seconds,
    Worker,
    check_broker,
    database_url,
    default_expiry_days,
)
from settings.load import FILE, Settings, load


class Clock(Settings, frozen=True):
    """How often the clock does what it does, in seconds."""

    sweep: Seconds = 5.0
    heartbeat: Seconds = 10.0
    announce: Seconds = 300.0
    expire: Seconds = 60.0
    certificates: Seconds = 3600.0
    tidy: Seconds = 3600.0


class Keep(Settings, frozen=True):
    """For how many days what may be deleted is kept: heartbeats of processes that are gone, and the
    attempts at submissions that ended the process which examined them."""

    heartbeat_days: Days = 1.0
    tries_days: Days = 30.0


class SignerWorker(Worker, frozen=True):
    """How a signer worker works. ``max_attempts`` is after how many attempts a request that fails by
    itself becomes FAILED."""

    max_attempts: Annotated[int, Meta(ge=1, le=100)] = 3


class SignerSettings(Settings, frozen=True):
    """Everything in ``settings.toml`` of the signer side.

    ``passphrase_file`` holds the passphrase of the CA key, when that is encrypted;
    ``message_passphrase_file`` that of the message key; a relative path is below the side's folder.
    ``expiry_days`` is how many days before a certificate's end that is said. ``waiting_days`` is
    how long a request waits for an approver before it expires. ``tell_delay`` is for how many
    seconds a state that `sign` is about to end is kept to ourselves.
    """

    role: Literal["signer"]
    database: str
    broker: str = "memory:"
    queue_type: QueueType = "classic"
    passphrase_file: str = ""
    message_passphrase_file: str = ""
    expiry_days: ExpiryDays = msgspec.field(default_factory=default_expiry_days)
    waiting_days: Annotated[float, Meta(gt=0, le=3650)] = 30.0
    tell_delay: Seconds = 2.0
    directory: str = ""
    worker: SignerWorker = SignerWorker()
    clock: Clock = Clock()
    keep: Keep = Keep()
    log: Log = Log()


def load_signer(directory: Path) -> SignerSettings:
    """Read the signer side's settings.

    Raises:
        SettingsError: see ``settings.load``.
    """
    found = load(SignerSettings, directory, "signer")
    check_broker(found.broker, directory, FILE)
    return msgspec.structs.replace(
        found,
        database=database_url(found.database, directory, FILE),
        directory=str(directory.resolve()),
    )
