"""`httpca requests`: what an operator sees of requests on the signer side, and does with them."""

from pathlib import Path

import click

from pipeline.clock import now
from pipeline.commands.listing import as_page, as_table, decisions_as_table, summary, whole
from pipeline.commands.operators import operator
from pipeline.commands.options import answer, config_option, json_option
from pipeline.commands.policy_status import as_sentence
from pipeline.commands.policy_status import to_plain as policy_to_plain
from pipeline.commands.signer_database import RequestId, signer_database
from pipeline.crypto.trust import Trust
from pipeline.crypto.visible import visible
from pipeline.run.signer_side import load_issuers, policy_problem
from pipeline.signer import browse, operate
from pipeline.signer.policy_file import load
from pipeline.signer.policy_record import in_force
from pipeline.signer.re_evaluate import Terms, re_evaluate, waiting_under_another
from pipeline.states import SIGNER_STATES, State
from settings.signer import load_signer


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
        policy = in_force(database)
    found = {"requests": [summary(row) for row in rows], "counts": counts}
    text = as_table(rows, counts)
    if policy is not None and policy.problem:
        text += "\n" + as_sentence(policy)
    answer(as_json, found | {"policy": policy_to_plain(policy)}, text)


@requests.command()
@click.argument("request_id", metavar="ID", type=RequestId())
@config_option("DIR/signer")
@json_option
def show(request_id: str, directory: Path, as_json: bool) -> None:
    """Show a request with decisions, certificate and audit."""
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
    """Reject a request that failed or waits for its signature.

    One that is being signed already is not rejected any more.
    """
    with signer_database(directory) as database:
        operate.reject(database, request_id, reason, operator(), now())
    found = {"id": request_id, "state": State.REJECTED, "reason": reason}
    answer(as_json, found, f"Request {request_id} is rejected.")


@requests.command()
@click.option("--by", "approver", metavar="NAME", required=True, help="Whose decisions.")
@config_option("DIR/signer")
@json_option
def decisions(approver: str, directory: Path, as_json: bool) -> None:
    """List an approver's decisions and what came of each.

    The newest come first.
    """
    with signer_database(directory) as database:
        rows = browse.decisions_by(database, approver)
    found = {"approver": approver, "decisions": [dict(row._mapping) for row in rows]}
    answer(as_json, found, decisions_as_table(rows, approver))


@requests.command("re-evaluate")
@click.argument("request_ids", metavar="[ID...]", type=RequestId(), nargs=-1)
@click.option(
    "--all-waiting",
    is_flag=True,
    help="Every request that waits for approval and was judged by another policy.",
)
@config_option("DIR/signer")
@json_option
def re_evaluate_(
    request_ids: tuple[str, ...], all_waiting: bool, directory: Path, as_json: bool
) -> None:
    """Put waiting requests under the policy of now.

    Decisions on them so far are voided.
    """
    if bool(request_ids) == all_waiting:
        raise click.UsageError("say which requests: either their ids or --all-waiting")
    settings = load_signer(directory)
    issuers = load_issuers(settings, directory, now, signs=False)
    if problem := policy_problem(settings, Trust(directory / "trusted"), issuers):
        raise operate.NotPossible(problem)
    policy = load(directory / "policy.toml", settings.active_issuers())
    terms = Terms(
        policy,
        lambda profile: issuers.chosen(profile.get("issuer", "")).fingerprint,
        settings.waiting_days,
    )
    done, passed_over = [], {}
    with signer_database(directory) as database:
        for one in request_ids or waiting_under_another(database, policy):
            try:
                done.append(re_evaluate(database, terms, one, operator(), now()))
            except operate.NotPossible as error:
                if not all_waiting:
                    raise
                passed_over[one] = str(error)  # decided on since the list was made
    lines = [
        f"{one.request_id}: {one.state} by “{visible(one.rule)}”; decisions voided: {one.voided}"
        for one in done
    ]
    lines += [f"{one}: left as it is: {why}" for one, why in passed_over.items()]
    lines.append(f"{len(done)} requests are under policy {policy.digest[:16]}...")
    found = {
        "policy": policy.digest,
        "re_evaluated": [
            {"id": one.request_id, "state": one.state, "rule": one.rule, "voided": one.voided}
            for one in done
        ],
        "passed_over": passed_over,
    }
    answer(as_json, found, "\n".join(lines))
