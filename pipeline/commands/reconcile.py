"""`httpca reconcile`: a restored web side learns from the signer what it forgot."""

from pathlib import Path
from typing import TextIO

import click

from pipeline.clock import now
from pipeline.commands.operators import operator
from pipeline.commands.options import answer, config_option, json_option
from pipeline.database.engine import open_database
from pipeline.database.migrate import check
from pipeline.web import reconcile as imports
from settings.web import load_http


@click.command()
@click.argument("export", type=click.File("r", encoding="utf-8"))
@config_option("DIR/web")
@json_option
def reconcile(export: TextIO, directory: Path, as_json: bool) -> None:
    """Take in the requests that the signer knows and this side forgot, after a restore.

    EXPORT is what `httpca signer export` wrote. What became of them, the signer tells. With accounts
    of their own the folder is DIR/web-http, whose account writes requests.
    """
    database = open_database(load_http(directory).database, pool_size=1)
    try:
        check(database, "web", directory)
        done = imports.reconcile(database, export, operator(), now())
    finally:
        database.dispose()
    lines = [f"{count:7} {what}" for what, count in sorted(done.items())]
    answer(as_json, {"done": dict(done)}, "\n".join(lines) or "The signer knows no request.")
