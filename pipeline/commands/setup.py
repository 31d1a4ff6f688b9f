"""`httpca setup`: make the folders that everything runs from."""

from pathlib import Path
from typing import Literal

import click

from pipeline.commands.options import answer, json_option


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--web-database", metavar="URL", help="Of the web side.  [default: SQLite in DIR/web]"
)
@click.option(
    "--signer-database", metavar="URL", help="Of the signer side.  [default: SQLite in DIR/signer]"
)
@click.option(
    "--approver-database",
    metavar="URL",
    help="The signer's database, with approvers' account.  [default: --signer-database]",
)
@click.option(
    "--broker",
    metavar="URL",
    default="memory:",
    show_default=True,
    help="For all roles: amqp://USER:PASSWORD@HOST:PORT/VHOST; memory: is that of `httpca dev`.",
)
@click.option("--web-broker", metavar="URL", help="For the web side.  [default: --broker]")
@click.option("--signer-broker", metavar="URL", help="For the signer side.  [default: --broker]")
@click.option("--approver-broker", metavar="URL", help="For approvers.  [default: --broker]")
@click.option(
    "--postgresql",
    metavar="HOST:PORT",
    help="Give each process an account of its own there; with --rabbitmq, instead of URLs.",
)
@click.option(
    "--web-postgresql", metavar="HOST:PORT", help="Of the web side.  [default: --postgresql]"
)
@click.option(
    "--signer-postgresql", metavar="HOST:PORT", help="Of the signer.  [default: --postgresql]"
)
@click.option(
    "--rabbitmq", metavar="HOST:PORT[,…]", help="The same on RabbitMQ; several of a cluster."
)
@click.option(
    "--prefix",
    metavar="NAME",
    default="httpca",
    show_default=True,
    help="Begins the names of these accounts and databases, and is the vhost.",
)
@click.option(
    "--tls",
    type=click.Choice(["made", "yours", "none"]),
    default="made",
    show_default=True,
    help="To these servers: by certificates that are made here, by yours, or not at all.",
)
@click.option(
    "--ca-key",
    metavar="KIND",
    default="ec:P-256",
    show_default=True,
    help="Of root and issuing CA: ec:P-256, ec:P-384, ed25519, rsa:2048 to rsa:4096.",
)
@click.option(
    "--ca-name",
    metavar="NAME",
    default="HttpCA",
    show_default=True,
    help="In the CA certificates: NAME Root CA, NAME Issuing CA.",
)
@click.option(
    "--ca-path-length",
    metavar="N",
    type=int,
    default=0,
    show_default=True,
    help="How many CAs may stand below the issuing CA: more than none for profiles of CAs.",
)
@click.option(
    "--passphrase-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Encrypt the CA keys with the one line of this file, which the signer then reads, too.",
)
@click.option(
    "--ca-token",
    metavar="URI",
    default="",
    help="Make the issuing CA's key in this token: pkcs11:token=...;object=...?module-path=...",
)
@click.option(
    "--pin-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The token's PIN, in one line; the signer then reads it, too.  [default: it is asked for]",
)
@click.option(
    "--approver",
    "approvers",
    metavar="NAME",
    multiple=True,
    default=("approver",),
    show_default=True,
    help="Who may approve; once for each person.",
)
@click.option(
    "--development", is_flag=True, help="As `httpca dev` has it: no tokens, a log for people."
)
@json_option
def setup(
    directory: Path,
    web_database: str | None,
    signer_database: str | None,
    approver_database: str | None,
    broker: str,
    web_broker: str | None,
    signer_broker: str | None,
    approver_broker: str | None,
    postgresql: str | None,
    web_postgresql: str | None,
    signer_postgresql: str | None,
    rabbitmq: str | None,
    prefix: str,
    tls: Literal["made", "yours", "none"],
    ca_key: str,
    ca_name: str,
    ca_path_length: int,
    passphrase_file: Path | None,
    ca_token: str,
    pin_file: Path | None,
    approvers: tuple[str, ...],
    development: bool,
    as_json: bool,
) -> None:
    """Make DIR, with keys, certificates, trust, settings and policy for each role.

    DIR must be new or empty. No database and no broker is touched: `httpca migrate` comes next, and
    before it `httpca grants apply` when --postgresql and --rabbitmq are given.
    """
    from pipeline.setup import options
    from pipeline.setup.directory import create
    from pipeline.setup.grants.servers import Servers
    from settings.common import EMBEDDED

    web_postgresql, signer_postgresql = (
        web_postgresql or postgresql,
        signer_postgresql or postgresql,
    )
    addresses = (web_postgresql, signer_postgresql, rabbitmq)
    urls = (web_database, signer_database, approver_database, web_broker, signer_broker)
    servers = None
    if web_postgresql and signer_postgresql and rabbitmq:
        if any(urls) or approver_broker or broker != EMBEDDED:
            raise click.UsageError("with --postgresql and --rabbitmq there are no URLs to give")
        servers = Servers(web_postgresql, signer_postgresql, rabbitmq, prefix, tls)
    elif any(addresses):
        raise click.UsageError("--postgresql and --rabbitmq belong together")

    create(
        options.SetupOptions(
            directory=directory,
            web_database=web_database or options.WEB_DATABASE,
            signer_database=signer_database or options.SIGNER_DATABASE,
            approver_database=approver_database or "",
            web_broker=web_broker or broker,
            signer_broker=signer_broker or broker,
            approver_broker=approver_broker or broker,
            ca_key=ca_key,
            ca_name=ca_name,
            ca_path_length=ca_path_length,
            passphrase_file=passphrase_file,
            ca_token=ca_token,
            pin_file=pin_file,
            approvers=approvers,
            development=development,
            servers=servers,
        )
    )
    found = {"directory": str(directory.resolve()), "approvers": list(dict.fromkeys(approvers))}
    embedded = servers is None and EMBEDDED in (web_broker or broker, signer_broker or broker)
    granted = servers is not None
    steps = _next_steps(directory, approvers, embedded=embedded, granted=granted)
    answer(as_json, found, steps)


def _next_steps(
    directory: Path, approvers: tuple[str, ...], *, embedded: bool, granted: bool
) -> str:
    roles = ["web/", "signer/", *(f"approvers/{name}/" for name in dict.fromkeys(approvers))]
    with_accounts = [
        f"  look at {directory}/setup/grants and setup/servers, and install the latter",
        f"  httpca grants apply {directory}/setup/grants --postgresql URL --rabbitmqctl rabbitmqctl",
        f"  httpca migrate --config {directory}/owner/web",
        f"  httpca migrate --config {directory}/owner/signer",
        f"  HTTPCA_HOME={directory} HTTPCA_HTTP={directory}/web-http honcho start",
    ]
    start = (
        with_accounts
        if granted
        else [
            f"  httpca migrate --config {directory}/web",
            f"  httpca migrate --config {directory}/signer",
            f"  HTTPCA_HOME={directory} honcho start",
        ]
    )
    return "\n".join(
        [
            f"Set up in {directory}: {', '.join(roles)}. Next:",
            *([f"  httpca dev --dir {directory}"] if embedded else start),
            f"Which requests are signed at once stands in {directory}/signer/policy.toml.",
            f"Take {directory}/setup offline: no process needs the keys in it. Each folder in",
            "approvers/ belongs on the machine of the person whose name it has.",
        ]
    )
