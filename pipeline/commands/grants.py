"""`httpca grants`: give PostgreSQL and RabbitMQ the accounts that `httpca setup` has written down."""

from pathlib import Path
from typing import Any

import click

from pipeline.commands.options import answer, json_option


@click.group()
def grants() -> None:
    """Make the accounts with their rights on PostgreSQL and RabbitMQ."""


@grants.command()
@click.argument("folder", metavar="DIR/setup/grants", type=click.Path(path_type=Path))
@click.option("--postgresql", metavar="URL", help="A superuser, for both databases: postgresql://…")
@click.option("--web-postgresql", metavar="URL", help="For the web side's database.")
@click.option("--signer-postgresql", metavar="URL", help="For the signer's database.")
@click.option(
    "--rabbitmqctl",
    metavar="COMMAND",
    help="How RabbitMQ's own command is called here: rabbitmqctl, or with what goes before it.",
)
@json_option
def apply(
    folder: Path,
    postgresql: str | None,
    web_postgresql: str | None,
    signer_postgresql: str | None,
    rabbitmqctl: str | None,
    as_json: bool,
) -> None:
    """Make databases, vhost and accounts, on those servers that an option names.

    An empty URL leaves it to psql's own variables. Doing it twice is harmless. The rights on the
    tables come with `httpca migrate --config DIR/owner/SIDE`.
    """
    from pipeline.setup.grants import apply as applying

    urls = {"web": web_postgresql, "signer": signer_postgresql}
    wanted = {side: postgresql if url is None else url for side, url in urls.items()}
    if rabbitmqctl is None and all(url is None for url in wanted.values()):
        raise click.UsageError("say which servers: --postgresql URL, --rabbitmqctl rabbitmqctl")
    applied: dict[str, Any] = {}
    for side, url in wanted.items():
        if url is not None:
            applied[f"postgresql-{side}"] = applying.to_postgresql(folder, side, url)
    if rabbitmqctl is not None:
        applied["rabbitmq"] = applying.to_rabbitmq(folder, rabbitmqctl)
    lines = [f"{server}: {', '.join(files)}" for server, files in applied.items()]
    answer(as_json, {"applied": applied}, "\n".join(["Applied", *lines]))
