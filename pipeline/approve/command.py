"""The command `httpca approve`: what waits, one by one or by verbs for scripts.

Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 already decided otherwise, 5 sent but not
confirmed in time; of several decisions the first of 1, 5, 3, 4 that occurred.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from pipeline.approve import as_json, waiting
from pipeline.approve.decision import check_reason
from pipeline.approve.edge import console, opened_desk
from pipeline.approve.find import find
from pipeline.approve.interactive import Walk
from pipeline.approve.listing import listing
from pipeline.approve.many import MOST_LOOKED_AT, decide_on, matched, named
from pipeline.approve.screen import screen

TIMEOUT: Final = 10.0

F = TypeVar("F", bound=Callable[..., Any])


def _config_option(function: F) -> F:
    return click.option(
        "--config",
        metavar="DIR/approvers/NAME",
        type=click.Path(path_type=Path),
        envvar="HTTPCA_APPROVER",
        help="Your approver's folder, as `httpca setup` made it; or in HTTPCA_APPROVER.",
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
        requests, count = waiting.oldest_of_all(desk.database, limit)
        facts = desk.look_at_all(requests)
        if json_:
            told = [as_json.summary(one) for one in facts]
            click.echo(as_json.text({"waiting": count, "requests": told}))
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


def _many_options(function: F) -> F:
    for option in (
        click.argument("ids", metavar="[ID...]", nargs=-1),
        click.option(
            "--matching",
            "texts",
            multiple=True,
            metavar="rule=NAME|requester=NAME|names=PATTERN",
            help="Instead of ids: all that waits and matches, listed and confirmed once."
            " Several must all match.",
        ),
        click.option(
            "--limit",
            type=click.IntRange(1, MOST_LOOKED_AT),
            default=100,
            show_default=True,
            help="At most so many that match.",
        ),
        click.option("--yes", is_flag=True, help="Do not ask before deciding on what matches."),
    ):
        function = option(function)
    return function


@approve.command()
@_many_options
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
    texts: Sequence[str],
    limit: int,
    yes: bool,
    digest: str | None,
    config: Path | None,
    timeout: float,
    json_: bool,
) -> None:
    """Accept requests and wait until the signer has recorded that."""
    if digest is not None and len(ids) != 1:
        raise click.UsageError("--digest goes with one ID only")
    _check(ids, texts, yes, json_)
    with opened_desk(config or context.obj) as desk:
        shown = (
            matched(desk, texts, "accept", limit, yes, json_)
            if texts
            else named(desk, ids, "accept", digest, json_)
        )
        asked = bool(texts) and not yes
        context.exit(decide_on(desk, shown, "accept", "", timeout, json_, asked=asked))


@approve.command()
@_many_options
@click.option("--reason", default="", help="Why; the requester is told. A rejection needs one.")
@_config_option
@_timeout_option
@_json_option
@click.pass_context
def reject(
    context: click.Context,
    ids: Sequence[str],
    texts: Sequence[str],
    limit: int,
    yes: bool,
    reason: str,
    config: Path | None,
    timeout: float,
    json_: bool,
) -> None:
    """Reject requests, with a reason, and wait until that is recorded."""
    _check(ids, texts, yes, json_)
    with opened_desk(config or context.obj) as desk:
        check_reason("reject", reason)
        shown = (
            matched(desk, texts, "reject", limit, yes, json_)
            if texts
            else named(desk, ids, "reject", None, json_)
        )
        asked = bool(texts) and not yes
        context.exit(decide_on(desk, shown, "reject", reason, timeout, json_, asked=asked))


def _check(ids: Sequence[str], texts: Sequence[str], yes: bool, json_: bool) -> None:
    if bool(ids) == bool(texts):
        raise click.UsageError("say which requests: either their ids or --matching")
    if texts and json_ and not yes:
        raise click.UsageError("--json asks nothing, so --matching needs --yes with it")
