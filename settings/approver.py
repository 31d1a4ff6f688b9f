"""Settings of one approver: ``DIR/approvers/NAME/settings.toml``."""

from pathlib import Path
from typing import Literal

import msgspec

from settings.common import Log, check_broker, database_url
from settings.load import FILE, Settings, load
from settings.transport import Tls, protected_broker, protected_database


class ApproverSettings(Settings, frozen=True):
    """Everything in an approver's ``settings.toml``.

    ``signer_database`` is read through views only. With the broker ``memory:`` decisions go by the
    spool alone, where `httpca dev` finds them. ``message_passphrase_file`` holds the passphrase of
    the message key when that is encrypted; without it, a terminal is asked.
    """

    role: Literal["approver"]
    name: str
    signer_database: str
    broker: str = "memory:"
    message_passphrase_file: str = ""
    directory: str = ""
    tls: Tls = Tls()
    log: Log = Log(format="text", level="warning")


def load_approver(directory: Path) -> ApproverSettings:
    """Read an approver's settings.

    Raises:
        SettingsError: see ``settings.load``.
    """
    found = load(ApproverSettings, directory, "approver")
    check_broker(found.broker, directory, FILE)
    database = database_url(found.signer_database, directory, FILE, "signer_database")
    return msgspec.structs.replace(
        found,
        signer_database=protected_database(database, found.tls, directory),
        broker=protected_broker(found.broker, found.tls, directory),
        directory=str(directory.resolve()),
    )
