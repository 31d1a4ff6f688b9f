"""Bring a side's database to the schema of this release, and tell whether it is there.

Each side's migrations lie in ``pipeline/SIDE/migrations``. A revision is named ``SIDE_NUMBER``, so
that a database of the other side is recognised. Migrations expand first and contract a release
later: a database that is ahead of this release is one that this release can still work with, unless
its revision says otherwise (``SIDE_NUMBER_needs_NUMBER``).
"""

import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from pipeline.database.engine import Database
from pipeline.errors import SettingsError

Side = Literal["web", "signer"]

_NEEDS: Final = re.compile(r"_needs_([0-9]{4})$")
"""At the end of a revision that takes something away: the number of the oldest revision whose code
can work without it."""

LOCK: Final = 0x687474706361
"""The advisory lock under which a PostgreSQL database is migrated (the letters ``httpca``)."""


def migrate(
    database: Database, side: Side, then: Callable[[Connection], object] | None = None
) -> None:
    """Apply the migrations that are missing, in one transaction.

    Several at once are safe: one works, the others wait and then find nothing to do. ``then`` runs
    in the same transaction, also when nothing was missing; not on a database of a later release,
    whose own `httpca migrate` has done it.

    Raises:
        SettingsError: the database is one of the other side.
    """
    config = _config(side)
    script = ScriptDirectory.from_config(config)
    with database.write() as connection:
        if database.dialect == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        if _is_ahead(_revision(connection), script, database, side):
            return
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        if then is not None:
            then(connection)


def current(database: Database, side: Side) -> str | None:
    """Return the revision of a side's database; None when it was never migrated.

    Raises:
        SettingsError: the database is one of the other side.
    """
    with database.read() as connection:
        revision = _revision(connection)
    _is_ahead(revision, ScriptDirectory.from_config(_config(side)), database, side)
    return revision


def check(database: Database, side: Side, directory: Path | None = None) -> None:
    """Check that a database has the schema that this release needs.

    ``directory`` is the side's folder, for the command that the error names.

    Raises:
        SettingsError: it has not; says what to do.
    """
    script = ScriptDirectory.from_config(_config(side))
    with database.read() as connection:
        revision = _revision(connection)
    if _is_ahead(revision, script, database, side) or revision == script.get_current_head():
        return
    state = "was never set up" if revision is None else f"is at revision {revision}"
    raise SettingsError(database.shown, "", f"this database {state}; {_remedy(side, directory)}")


def _remedy(side: Side, directory: Path | None) -> str:
    """Return how to migrate: with the account of the tables' owner, where set-up made one."""
    folder = directory or Path("DIR", side)
    owner = folder.parent / "owner" / side
    if owner.is_dir():
        return f"run httpca migrate --config {owner}"
    return f"run httpca migrate --config {folder} (owner/{side} where set-up made accounts)"


def head(side: Side) -> str:
    """Return the revision that this release brings a database to."""
    found = ScriptDirectory.from_config(_config(side)).get_current_head()
    assert found is not None  # noqa: S101 - there is a first migration
    return found


def knows(side: Side, revision: str) -> bool:
    """Tell whether this release has, or has had, the schema of this revision."""
    script = ScriptDirectory.from_config(_config(side))
    return revision in {known.revision for known in script.walk_revisions()}


def _config(side: Side) -> Config:
    config = Config()
    folder = str(files("pipeline") / side / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _is_ahead(
    revision: str | None, script: ScriptDirectory, database: Database, side: Side
) -> bool:
    """Tell whether a later release migrated this database.

    Raises:
        SettingsError: it is one of the other side, or one that this release cannot work with.
    """
    if revision is None:
        return False
    if not revision.startswith(f"{side}_"):
        problem = f"this is not a database of the {side} side: its revision is {revision}"
        raise SettingsError(database.shown, "", problem)
    if revision in {known.revision for known in script.walk_revisions()}:
        return False
    needed, head = _NEEDS.search(revision), script.get_current_head() or ""
    if needed is not None and _number(head) < int(needed[1]):
        problem = (
            f"a later release has migrated this database, to revision {revision}, so that this one"
            " cannot work with it any more; install that release"
        )
        raise SettingsError(database.shown, "", problem)
    return True


def _number(revision: str) -> int:
    return int(revision.split("_")[1])
