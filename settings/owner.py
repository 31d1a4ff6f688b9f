"""Settings of the owner of a side's tables: ``DIR/owner/SIDE/settings.toml``."""

from pathlib import Path
from typing import Literal

import msgspec

from pipeline.errors import SettingsError
from settings.common import database_url
from settings.load import FILE, Settings, load
from settings.transport import POSTGRESQL, Tls, protected_database


class OwnerSettings(Settings, frozen=True):
    """Everything in an owner's ``settings.toml``; only `httpca migrate` reads it.

    ``accounts`` has the PostgreSQL role of each kind of account that the side knows (for the web
    side ``http``, ``worker`` and ``operator``), which is granted its rights.
    """

    role: Literal["owner"]
    side: Literal["web", "signer"]
    database: str
    accounts: dict[str, str]
    directory: str = ""
    tls: Tls = Tls()


def load_owner(directory: Path) -> OwnerSettings:
    """Read the settings of the owner of a side's tables.

    Raises:
        SettingsError: see ``settings.load``.
    """
    found = load(OwnerSettings, directory, "owner")
    database = database_url(found.database, directory, FILE)
    if not database.startswith(POSTGRESQL):
        raise SettingsError(
            directory / FILE, "database", "is not PostgreSQL, which alone has owners"
        )
    return msgspec.structs.replace(
        found,
        database=protected_database(database, found.tls, directory),
        directory=str(directory.resolve()),
    )
