"""`httpca signer`: stop all signing, or let it go on."""

from pathlib import Path
from typing import TextIO

import click

from pipeline.clock import now
from pipeline.commands.options import answer, config_option, json_option
from pipeline.commands.signer_database import operator, signer_database
from pipeline.run.signer_side import load_issuers
from pipeline.signer import operate
from pipeline.signer import reconcile as imports
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
@click.argument("export", type=click.File("r", encoding="utf-8"))
@config_option("DIR/signer")
@json_option
def reconcile(export: TextIO, directory: Path, as_json: bool) -> None:
    """Import what the web side holds (`httpca export`) after a restore, and let signing go on."""
    issuers = load_issuers(load_signer(directory), directory, now, signs=False)
    with signer_database(directory) as database:
        done = imports.reconcile(database, issuers, export, operator(), now())
        resumed = imports.end_suspension(database, operator(), now())
    lines = [f"{count:7} {what}" for what, count in sorted(done.items())]
    lines.append("Signing goes on." if resumed else "Signing was not suspended.")
    answer(as_json, {"done": dict(done), "resumed": resumed}, "\n".join(lines))


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
