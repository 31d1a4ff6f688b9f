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
    """Make databases, vhost and accounts on the servers.

    On those that an option names. An empty URL leaves it to psql's own variables. Doing it twice is
    harmless. The rights on the tables come with `httpca migrate --config DIR/owner/SIDE`.
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


_directory = click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
_passphrase = click.option(
    "--passphrase-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Of setup/transport-ca.key, when that is encrypted.",
)


@grants.command()
@_directory
@click.argument("name")
@_passphrase
@json_option
def approver(directory: Path, name: str, passphrase_file: Path | None, as_json: bool) -> None:
    """Give the approver NAME an account of their own.

    Their folder is in DIR/approvers. `httpca grants apply` makes it on the servers. An approver who
    has one gets it anew.
    """
    from pipeline.clock import now
    from pipeline.setup.grants import later
    from settings.passphrase import read_passphrase

    passphrase = read_passphrase(passphrase_file) if passphrase_file else None
    made = [str(file) for file in later.give_account(directory, name, passphrase, now())]
    sentence = f"Wrote {' and '.join(made)}. Next: httpca grants apply {directory}/setup/grants"
    answer(as_json, {"approver": name, "made": made}, sentence)


@grants.command()
@_directory
@_passphrase
@json_option
def renew(directory: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Make the certificates for TLS anew.

    Of servers and of accounts, as far as DIR has them. Install those of the servers, take the folders
    where they belong, and restart the processes.
    """
    from pipeline.clock import now
    from pipeline.setup.grants import later
    from settings.passphrase import read_passphrase

    passphrase = read_passphrase(passphrase_file) if passphrase_file else None
    made = [str(file) for file in later.renew(directory, passphrase, now())]
    answer(as_json, {"renewed": made}, "\n".join(["Renewed", *made]))
