"""`httpca migrate`: bring the database of a side, whichever the folder is of, up to date."""

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from pipeline.commands.options import answer, config_option, json_option
from pipeline.errors import SettingsError

if TYPE_CHECKING:
    from pipeline.database.engine import Database


@click.command()
@config_option("DIR/SIDE")
@json_option
def migrate(directory: Path, as_json: bool) -> None:
    """Bring a side's database to the schema of this release. Doing it twice is harmless."""
    from pipeline.database import migrate as migrations
    from pipeline.database.engine import open_database

    side, url = _side_and_database(directory)
    database = open_database(url)
    try:
        before = migrations.current(database, side)
        migrations.migrate(database, side)
        after = migrations.current(database, side)
        if side == "signer" and before != after:
            _record(database, before, after)
    finally:
        database.dispose()
    where = database.engine.url.render_as_string(hide_password=True)
    changed = "is now at" if before != after else "was already at"
    answer(
        as_json,
        {"side": side, "database": where, "before": before, "after": after},
        f"The database of the {side} side ({where}) {changed} revision {after}.",
    )


def _record(database: "Database", before: str | None, after: str | None) -> None:
    """Put on record who changed the signer's schema."""
    from pipeline.clock import now
    from pipeline.commands.signer_database import operator
    from pipeline.database.advance import record
    from pipeline.signer.tables import audit

    with database.write() as connection:
        details = {"operator": operator(), "before": before, "after": after}
        record(connection, audit, "schema-migrated", details, now())


def _side_and_database(directory: Path) -> tuple[Literal["web", "signer"], str]:
    """Read the settings of the one side whose folder this is."""
    from settings.load import FILE

    role = _role(directory / FILE)
    if role == "web":
        from settings.web import load_web

        return "web", load_web(directory).database
    if role == "signer":
        from settings.signer import load_signer

        return "signer", load_signer(directory).database
    raise SettingsError(
        directory / FILE, "role", f"is {role!r}; only web and signer have a database"
    )


def _role(file: Path) -> object:
    try:
        return tomllib.loads(file.read_text("utf-8")).get("role")
    except FileNotFoundError as error:
        raise SettingsError(
            file, "", "there is no such file; `httpca setup` makes it, in DIR/web and DIR/signer"
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(file, "", f"this is not readable TOML: {error}") from error
