"""The command `httpca approve`: what waits, one by one or by verbs for scripts.

Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 already decided otherwise, 5 sent but not
confirmed in time; of several decisions the first of 1, 5, 3, 4 that occurred.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from rich.text import Text

from pipeline.approve import as_json, waiting
from pipeline.approve.confirm import Answer, exit_code
from pipeline.approve.decision import Verdict, check_reason
from pipeline.approve.desk import Desk
from pipeline.approve.edge import console, opened_desk
from pipeline.approve.find import find
from pipeline.approve.harmless import harmless
from pipeline.approve.interactive import Walk
from pipeline.approve.listing import listing
from pipeline.approve.screen import screen
from pipeline.approve.spool import Spooled
from pipeline.errors import HttpcaError

TIMEOUT: Final = 10.0

F = TypeVar("F", bound=Callable[..., Any])


def _config_option(function: F) -> F:
    return click.option(
        "--config",
        metavar="DIR/approvers/NAME",
        type=click.Path(path_type=Path),
        envvar="HTTPCA_APPROVER_CONFIG",
        help="Your approver's folder, as `httpca setup` made it; or in HTTPCA_APPROVER_CONFIG.",
    )(function)


def _timeout_option(function: F) -> F:
    return click.option(
        "--timeout",
        type=click.FloatRange(min=0, max=86400),
        default=TIMEOUT,
        show_default=True,
        help="Seconds to wait until the signer has recorded a decision.",
    )(function)


def _json_option(function: F) -> F:
    return click.option("--json", "json_", is_flag=True, help="Answer in JSON.")(function)


@click.group(invoke_without_command=True)
@_config_option
@_timeout_option
@click.pass_context
def approve(context: click.Context, config: Path | None, timeout: float) -> None:
    """Decide on requests that wait for approval: one by one, or by a verb."""
    context.obj = config
    if context.invoked_subcommand is not None:
        return
    with opened_desk(config or context.obj) as desk:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise click.UsageError("without a verb this needs a terminal; see --help for the verbs")
        context.exit(Walk(desk, console(), timeout).run())


@approve.command("list")
@_config_option
@_json_option
@click.option(
    "--limit",
    type=click.IntRange(1, 10000),
    default=100,
    show_default=True,
    help="At most so many.",
)
@click.pass_context
def list_(context: click.Context, config: Path | None, json_: bool, limit: int) -> None:
    """List what waits, the oldest first."""
    with opened_desk(config or context.obj) as desk:
        facts = [desk.look(request) for request in waiting.oldest(desk.database, limit)]
        count = waiting.count(desk.database)
        if json_:
            requests = [as_json.summary(one) for one in facts]
            click.echo(as_json.text({"waiting": count, "requests": requests}))
            return
        out = console()
        out.print(listing(facts, desk.clock()) if facts else "Nothing waits for approval.")
        if count > len(facts):
            out.print(f"… and {count - len(facts)} more; see --limit.")


@approve.command()
@click.argument("id_", metavar="ID")
@_config_option
@_json_option
@click.pass_context
def show(context: click.Context, id_: str, config: Path | None, json_: bool) -> None:
    """Show one request. ID may be the beginning of an id."""
    with opened_desk(config or context.obj) as desk:
        facts = desk.look(find(desk.database, id_))
        if json_:
            click.echo(as_json.text(as_json.whole(facts)))
        else:
            console().print(screen(facts, desk.me, desk.clock()))


@approve.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option(
    "--digest", metavar="HEX", help="Accept only what `show --json` showed with this digest."
)
@_config_option
@_timeout_option
@_json_option
@click.pass_context
def accept(
    context: click.Context,
    ids: Sequence[str],
    digest: str | None,
    config: Path | None,
    timeout: float,
    json_: bool,
) -> None:
    """Accept requests and wait until the signer has recorded that."""
    if digest is not None and len(ids) > 1:
        raise click.UsageError("--digest goes with one ID only")
    with opened_desk(config or context.obj) as desk:
        context.exit(_decide_all(desk, ids, "accept", "", timeout, json_, digest))


@approve.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("--reason", default="", help="Why; the requester is told. A rejection needs one.")
@_config_option
@_timeout_option
@_json_option
@click.pass_context
def reject(
    context: click.Context,
    ids: Sequence[str],
    reason: str,
    config: Path | None,
    timeout: float,
    json_: bool,
) -> None:
    """Reject requests, with a reason, and wait until the signer has recorded that."""
    with opened_desk(config or context.obj) as desk:
        context.exit(_decide_all(desk, ids, "reject", reason, timeout, json_, None))


def _decide_all(
    desk: Desk,
    ids: Sequence[str],
    verdict: Verdict,
    reason: str,
    timeout: float,
    json_: bool,
    digest: str | None,
) -> int:
    """Show each request, sign a decision of its own for each, then send them all and wait."""
    check_reason(verdict, reason)
    requests = {request.id: request for request in (find(desk.database, id_) for id_ in ids)}
    made: list[Spooled | Answer] = []
    for request in requests.values():
        facts = desk.look(request)
        if digest is not None and digest.lower() != facts.digest:
            raise HttpcaError(f"Request {request.id} has another digest. Nothing was sent.")
        if not json_:
            console().print(screen(facts, desk.me, desk.clock(), f"To {verdict}"))
        made.append(desk.decide(facts, verdict, reason))
    sent = [one for one in made if isinstance(one, Spooled)]
    confirmed = iter(desk.confirm(sent, timeout))
    answers = [one if isinstance(one, Answer) else next(confirmed) for one in made]
    if json_:
        click.echo(as_json.text({"results": [as_json.answer(answer) for answer in answers]}))
    else:
        for answer in answers:
            console().print(Text(f"{answer.request_id}: {harmless(answer.sentence, 4000)}"))
    return exit_code(answers)
