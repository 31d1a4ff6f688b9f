"""`httpca dev`: both sides in one process."""

from pathlib import Path

import click


@click.command()
@click.option(
    "--dir",
    "directory",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("var/httpca"),
    show_default=True,
    help="Where everything lies; set up when there is nothing.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    envvar="PORT",
    help="The port to serve on, instead of the one in web/settings.toml.",
)
@click.pass_context
def dev(context: click.Context, directory: Path, port: int | None) -> None:
    """Run everything in one process: SQLite, a broker in memory, and one approver."""
    from pipeline.dev import main

    context.exit(main(directory, port))
