"""`httpca token`: by which requesters are known on the web side."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from pipeline.clock import now
from pipeline.commands.operators import operator
from pipeline.commands.options import NothingFound, answer, config_option, json_option
from pipeline.crypto.visible import visible
from pipeline.database.engine import Database, open_database
from pipeline.database.migrate import check
from pipeline.web import tokens
from settings.web import load_http


@click.group()
def token() -> None:
    """Make, list and revoke the tokens by which requesters are known."""


@token.command()
@click.argument("name")
@config_option("DIR/web")
@json_option
def create(name: str, directory: Path, as_json: bool) -> None:
    """Make a token for the requester NAME and show it, this once."""
    with _web_database(directory) as database:
        text = tokens.create(database, name, operator(), now())
    if not as_json:
        click.echo("This is shown once and kept nowhere:", err=True)
    answer(as_json, {"name": name, "token": text}, text)


@token.command("list")
@config_option("DIR/web")
@json_option
def list_(directory: Path, as_json: bool) -> None:
    """List all tokens, the revoked ones too."""
    with _web_database(directory) as database:
        found = tokens.listed(database)
    plain = [
        {"name": one.name, "created_at": one.created_at, "revoked_at": one.revoked_at}
        for one in found
    ]
    lines = [
        f"{visible(one.name)}  since {one.created_at:%Y-%m-%d %H:%M}"
        + (f", revoked {one.revoked_at:%Y-%m-%d %H:%M}" if one.revoked_at else "")
        for one in found
    ]
    answer(as_json, {"tokens": plain}, "\n".join(lines) or "There is no token.")


@token.command()
@click.argument("name")
@config_option("DIR/web")
@json_option
def revoke(name: str, directory: Path, as_json: bool) -> None:
    """Make the token of NAME useless from now on."""
    with _web_database(directory) as database:
        changed = tokens.revoke(database, name, operator(), now())
    if changed:
        time.sleep(tokens.FRESH.total_seconds())  # until every process has asked again
    done = f"The token of {name} is revoked." if changed else f"{name} had no valid token."
    answer(as_json, {"name": name, "changed": changed}, done)


@contextmanager
def _web_database(directory: Path) -> Iterator[Database]:
    database = open_database(load_http(directory).database, pool_size=1)
    try:
        check(database, "web", directory)
        yield database
    except tokens.NoSuchToken as error:
        raise NothingFound(str(error)) from error
    finally:
        database.dispose()
