"""`httpca signer`: stop all signing or let it go on, and what helps after a restore."""

from pathlib import Path
from typing import TextIO

import click

from pipeline.clock import now
from pipeline.commands.operators import operator
from pipeline.commands.options import answer, config_option, json_option
from pipeline.commands.signer_database import signer_database
from pipeline.run.signer_side import load_issuers
from pipeline.signer import operate
from pipeline.signer import reconcile as imports
from pipeline.signer.export import lines
from settings.signer import load_signer


@click.group()
def signer() -> None:
    """Stop all signing, or let it go on. Requests are taken in and decided on all the while."""


@signer.command()
@config_option("DIR/signer")
@click.option("--reason", default="", help="Why; for the audit.")
@json_option
def suspend(directory: Path, reason: str, as_json: bool) -> None:
    """Stop all signing. What was approved waits until `resume`."""
    with signer_database(directory) as database:
        changed = operate.suspend(database, reason, operator(), now())
    done = "Signing is suspended." if changed else "Signing was suspended already."
    answer(as_json, {"suspended": True, "changed": changed}, done)


@signer.command()
@config_option("DIR/signer")
def export(directory: Path) -> None:
    """Write all requests that the signer knows to standard output.

    A web side that was restored from a backup learns from it what it forgot:
    `httpca reconcile FILE`.
    """
    with signer_database(directory) as database:
        for line in lines(database):
            click.echo(line)


@signer.command()
@click.argument("held", metavar="EXPORT", type=click.File("r", encoding="utf-8"))
@config_option("DIR/signer")
@json_option
def reconcile(held: TextIO, directory: Path, as_json: bool) -> None:
    """Learn what was done since a backup, and let signing go on.

    EXPORT is what `httpca export` wrote on the web side, whole.
    """
    issuers = load_issuers(load_signer(directory), directory, now, signs=False)
    with signer_database(directory) as database:
        done = imports.reconcile(database, issuers, held, operator(), now())
        resumed = operate.resume_after_restore(database, operator(), now())
        with database.read() as connection:
            suspended = operate.suspended(connection)
    said = [f"{count:7} {what}" for what, count in sorted(done.items())]
    if suspended:
        said.append("Signing stays suspended, as an operator wanted it: httpca signer resume.")
    else:
        said.append("Signing goes on." if resumed else "Signing was not suspended.")
    found = {"done": dict(done), "resumed": resumed and not suspended, "suspended": suspended}
    answer(as_json, found, "\n".join(said))


@signer.command()
@config_option("DIR/signer")
@click.option("--reason", default="", help="Why; for the audit.")
@json_option
def resume(directory: Path, reason: str, as_json: bool) -> None:
    """Let signing go on."""
    with signer_database(directory) as database:
        changed = operate.resume(database, reason, operator(), now())
    done = "Signing goes on." if changed else "Signing was not suspended."
    answer(as_json, {"suspended": False, "changed": changed}, done)
