"""`httpca export`: what the web side holds, one JSON object a line."""

from pathlib import Path

import click

from pipeline.commands.options import config_option
from pipeline.database.engine import open_database
from pipeline.database.migrate import check
from pipeline.web.export import lines
from settings.web import load_http


@click.command()
@config_option("DIR/web")
def export(directory: Path) -> None:
    """Write all requests and certificates that the web side holds to standard output.

    A signer that was restored from a backup learns from it what it did since:
    `httpca signer reconcile FILE`.
    """
    database = open_database(load_http(directory).database, pool_size=1)
    try:
        check(database, "web", directory)
        for line in lines(database):
            click.echo(line)
    finally:
        database.dispose()
