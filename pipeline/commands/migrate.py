"""`httpca migrate`: bring the database of a side, whichever the folder is of, up to date."""

import tomllib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from pipeline.commands.options import answer, config_option, json_option
from pipeline.errors import SettingsError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pipeline.database.engine import Database
    from pipeline.database.grants import Rights
    from settings.owner import OwnerSettings

Side = Literal["web", "signer"]


@click.command()
@config_option("DIR/SIDE")
@json_option
def migrate(directory: Path, as_json: bool) -> None:
    """Bring a side's database to the schema of this release. Doing it twice is harmless.

    With the folder of the tables' owner (DIR/owner/SIDE) it also grants each account its rights.
    """
    from pipeline.database import migrate as migrations
    from pipeline.database.engine import open_database

    side, url, accounts = _side_and_database(directory)
    database = open_database(url)
    grant = partial(_grant, side, accounts) if accounts is not None else None
    try:
        before = migrations.current(database, side)
        migrations.migrate(database, side, grant)
        after = migrations.current(database, side)
        if side == "signer" and before != after:
            _record(database, before, after)
    finally:
        database.dispose()
    changed = "is now at" if before != after else "was already at"
    where = {"side": side, "database": database.shown}
    found: dict[str, Any] = {**where, "before": before, "after": after}
    sentence = f"The database of the {side} side ({database.shown}) {changed} revision {after}."
    if accounts is not None:
        found["accounts"] = sorted(accounts.values())
        sentence += f" Granted their rights: {', '.join(sorted(accounts.values()))}."
    answer(as_json, found, sentence)


def _record(database: "Database", before: str | None, after: str | None) -> None:
    """Put on record who changed the signer's schema."""
    from pipeline.clock import now
    from pipeline.commands.operators import operator
    from pipeline.database.advance import record
    from pipeline.signer.tables import audit

    with database.write() as connection:
        details = {"operator": operator(), "before": before, "after": after}
        record(connection, audit, "schema-migrated", details, now())


def _side_and_database(directory: Path) -> tuple[Side, str, dict[str, str] | None]:
    """Read the settings of the one side whose folder this is; with the accounts if it is the
    owner's."""
    from settings.load import FILE

    role = _role(directory / FILE)
    if role == "web":
        from settings.web import load_web

        return "web", load_web(directory).database, None
    if role == "signer":
        from settings.signer import load_signer

        return "signer", load_signer(directory).database, None
    if role == "owner":
        from settings.owner import load_owner

        owner = load_owner(directory)
        return owner.side, owner.database, _known(owner, directory)
    raise SettingsError(
        directory / FILE, "role", f"is {role!r}; only web, signer and owner have a database"
    )


def _rights(side: Side) -> "Rights":
    if side == "web":
        from pipeline.web.grants import RIGHTS as of_web

        return of_web
    from pipeline.signer.grants import RIGHTS as of_signer

    return of_signer


def _known(owner: "OwnerSettings", directory: Path) -> dict[str, str]:
    """Return the owner's accounts, when there is one of each kind that the side has."""
    from settings.load import FILE

    kinds = _rights(owner.side)
    if set(owner.accounts) != set(kinds):
        problem = (
            f"names {', '.join(sorted(owner.accounts)) or 'none'}; there are: {', '.join(kinds)}"
        )
        raise SettingsError(directory / FILE, "accounts", problem)
    return owner.accounts


def _grant(side: Side, accounts: dict[str, str], connection: "Connection") -> None:
    from pipeline.database.grants import grant

    grant(connection, _rights(side), accounts)


def _role(file: Path) -> object:
    try:
        return tomllib.loads(file.read_text("utf-8")).get("role")
    except FileNotFoundError as error:
        raise SettingsError(
            file, "", "there is no such file; `httpca setup` makes it, in DIR/web and DIR/signer"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(file, "", f"this is not readable TOML: {error}") from error
