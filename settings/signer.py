"""Settings of the signer side: ``DIR/signer/settings.toml``."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, field

from pipeline.messages import MAX_ISSUERS
from settings.common import (
    ExpiryDays,
    Keep,
    Log,
    QueueType,
    Seconds,
    Worker,
    check_broker,
    database_url,
    default_expiry_days,
)
from settings.issuer import THE_ONE, IssuerSettings, check_issuers
from settings.load import FILE, Settings, load
from settings.reminders import Reminders, check_reminders
from settings.transport import Tls, protected_broker, protected_database


class Clock(Settings, frozen=True):
    """How often the clock does what it does, in seconds."""

    sweep: Seconds = 5.0
    heartbeat: Seconds = 10.0
    announce: Seconds = 300.0
    look_ahead: Seconds = 21600.0
    expire: Seconds = 60.0
    certificates: Seconds = 3600.0
    sequence: Seconds = 2.0
    checkpoint: Seconds = 60.0
    tidy: Seconds = 3600.0
    remind: Seconds = 60.0


class SignerSettings(Settings, frozen=True):
    """Everything in ``settings.toml`` of the signer side.

    ``issuers`` are the issuing CAs; the first that is not retiring issues what comes new, unless a
    profile names another. ``passphrase_file`` holds the passphrase (or PIN) of those that name no
    source of their own; ``message_passphrase_file`` that of the message key; a relative path is
    below the side's folder. ``expiry_days`` is how many days before a certificate's end that is
    said. ``waiting_days`` is how long a request waits for an approver before it expires;
    ``warning_days`` how long before an issuing CA cuts certificates short that is warned of.
    ``tell_delay`` is for how many seconds a state that `sign` is about to end is kept to ourselves.
    ``lint`` says whether each certificate is looked at before it is signed, or the first of each shape.
    ``checkpoints`` is the folder in which signed heads of the audit are kept; a relative path is below
    the side's folder.
    """

    role: Literal["signer"]
    database: str
    broker: str = "memory:"
    queue_type: QueueType = "classic"
    passphrase_file: str = ""
    message_passphrase_file: str = ""
    issuers: Annotated[list[IssuerSettings], Meta(max_length=MAX_ISSUERS)] = field(
        default_factory=list
    )
    expiry_days: ExpiryDays = field(default_factory=default_expiry_days)
    waiting_days: Annotated[float, Meta(gt=0, le=3650)] = 30.0
    warning_days: Annotated[float, Meta(gt=0, le=3650)] = 60.0
    tell_delay: Seconds = 2.0
    lint: Literal["shape", "every"] = "shape"
    checkpoints: Annotated[str, Meta(min_length=1)] = "data/checkpoints"
    directory: str = ""
    worker: Worker = Worker()
    clock: Clock = Clock()
    tls: Tls = Tls()
    keep: Keep = Keep()
    reminders: Reminders = Reminders()
    log: Log = Log()

    @property
    def issuing_cas(self) -> list[IssuerSettings]:
        """The issuing CAs; the one of `httpca setup` when none is listed."""
        return self.issuers or [THE_ONE]

    def active_issuers(self) -> list[str]:
        """Return the names of the issuing CAs that take what is new: those a profile may name."""
        return [issuer.name for issuer in self.issuing_cas if not issuer.retiring]


def load_signer(directory: Path) -> SignerSettings:
    """Read the signer side's settings.

    Raises:
        SettingsError: see ``settings.load``.
    """
    found = load(SignerSettings, directory, "signer")
    check_broker(found.broker, directory, FILE)
    check_issuers(found.issuers, directory)
    check_reminders(found.reminders, directory, FILE)
    database = database_url(found.database, directory, FILE)
    return msgspec.structs.replace(
        found,
        database=protected_database(database, found.tls, directory),
        broker=protected_broker(found.broker, found.tls, directory),
        directory=str(directory.resolve()),
    )
