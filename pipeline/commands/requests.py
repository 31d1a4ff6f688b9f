"""`httpca requests`: what an operator sees of requests on the signer side, and does with them."""

from pathlib import Path

import click

from pipeline.clock import now
from pipeline.commands.listing import as_page, as_table, decisions_as_table, summary, whole
from pipeline.commands.operators import operator
from pipeline.commands.options import answer, config_option, json_option
from pipeline.commands.signer_database import RequestId, signer_database
from pipeline.signer import browse, operate
from pipeline.states import SIGNER_STATES, State


@click.group()
def requests() -> None:
    """Look after requests on the signer side."""


@requests.command("list")
@config_option("DIR/signer")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(sorted(state.value for state in SIGNER_STATES)),
    help="Only those in this state; may be given several times.",
)
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@json_option
def list_(directory: Path, states: tuple[str, ...], limit: int, as_json: bool) -> None:
    """List requests, the newest first."""
    with signer_database(directory) as database:
        rows = browse.newest(database, [State(state) for state in states], limit)
        counts = browse.counts(database)
    found = {"requests": [summary(row) for row in rows], "counts": counts}
    answer(as_json, found, as_table(rows, counts))


@requests.command()
@click.argument("request_id", metavar="ID", type=RequestId())
@config_option("DIR/signer")
@json_option
def show(request_id: str, directory: Path, as_json: bool) -> None:
    """Show a request with its decisions, its certificate and its audit."""
    with signer_database(directory) as database:
        found = whole(browse.whole(database, request_id))
    answer(as_json, found, as_page(found))


@requests.command()
@click.argument("request_id", metavar="ID", type=RequestId())
@config_option("DIR/signer")
@json_option
def retry(request_id: str, directory: Path, as_json: bool) -> None:
    """Try a failed request again."""
    with signer_database(directory) as database:
        operate.retry(database, request_id, operator(), now())
    found = {"id": request_id, "state": State.WAITING_FOR_SIGNATURE}
    answer(as_json, found, f"Request {request_id} waits for its signature again.")


@requests.command()
@click.argument("request_id", metavar="ID", type=RequestId())
@config_option("DIR/signer")
@click.option("--reason", required=True, help="Why; the requester is told.")
@json_option
def reject(request_id: str, directory: Path, reason: str, as_json: bool) -> None:
    """Reject a request that failed, or that waits for its signature and is not being signed yet."""
    with signer_database(directory) as database:
        operate.reject(database, request_id, reason, operator(), now())
    found = {"id": request_id, "state": State.REJECTED, "reason": reason}
    answer(as_json, found, f"Request {request_id} is rejected.")


@requests.command()
@click.option("--by", "approver", metavar="NAME", required=True, help="Whose decisions.")
@config_option("DIR/signer")
@json_option
def decisions(approver: str, directory: Path, as_json: bool) -> None:
    """List every decision of an approver, on what, and what came of it, the newest first."""
    with signer_database(directory) as database:
        rows = browse.decisions_by(database, approver)
    found = {"approver": approver, "decisions": [dict(row._mapping) for row in rows]}
    answer(as_json, found, decisions_as_table(rows, approver))
