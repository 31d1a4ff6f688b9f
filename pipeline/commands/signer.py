"""`httpca signer`: stop all signing, or let it go on."""

from pathlib import Path

import click

from pipeline.clock import now
from pipeline.commands.options import answer, config_option, json_option
from pipeline.commands.signer_database import operator, signer_database
from pipeline.signer import operate


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
@click.option("--reason", default="", help="Why; for the audit.")
@json_option
def resume(directory: Path, reason: str, as_json: bool) -> None:
    """Let signing go on."""
    with signer_database(directory) as database:
        changed = operate.resume(database, reason, operator(), now())
    done = "Signing goes on." if changed else "Signing was not suspended."
    answer(as_json, {"suspended": False, "changed": changed}, done)
