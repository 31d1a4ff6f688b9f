"""`httpca dead-letters`: the messages that a side refused, and why."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.broker.dead_letters import DeadLetter, drop, listed
from pipeline.commands.options import NothingFound, answer, config_option, json_option
from pipeline.crypto.visible import visible
from pipeline.errors import HttpcaError
from pipeline.stages import Role, stages_of
from settings.common import EMBEDDED
from settings.role import read_role

if TYPE_CHECKING:
    from sqlalchemy import Table

    from pipeline.database.migrate import Side


@click.group("dead-letters")
def dead_letters() -> None:
    """Look at the messages that a side refused, and drop them."""


@dead_letters.command("list")
@config_option("DIR/SIDE")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@json_option
def list_(directory: Path, limit: int, as_json: bool) -> None:
    """List refused messages with their reasons.

    The oldest of each queue come first.
    """
    url, queues = _side(directory)
    found = listed(url, queues, limit)
    lines = [
        f"{letter.id[:16]}  {letter.queue:<16}  {_line(letter.reason):<24}  {_line(letter.refused_at)}"
        f"  {len(letter.octets)} bytes"
        for letter in found
    ]
    text = "\n".join(lines) if lines else "There are no dead letters."
    answer(as_json, {"dead_letters": [_summary(letter) for letter in found]}, text)


@dead_letters.command()
@click.argument("letter_id", metavar="ID")
@config_option("DIR/SIDE")
@json_option
def show(letter_id: str, directory: Path, as_json: bool) -> None:
    """Show a refused message with what it claims.

    ID as listed, or more of it.
    """
    url, queues = _side(directory)
    letter = _named(letter_id, url, queues)
    claims = {name: value for name, value in letter.claims.items() if name != "body"}
    lines = [
        f"Dead letter  {letter.id}",
        f"Queue        {letter.queue}",
        f"Refused      {_line(letter.refused_at)}, because of: {_line(letter.reason)}",
        f"Size         {len(letter.octets)} bytes",
        "It claims    " + (visible(repr(claims), 500) if claims else "nothing that can be read"),
    ]
    answer(as_json, _summary(letter) | {"claims": claims}, "\n".join(lines))


@dead_letters.command("drop")
@click.argument("letter_id", metavar="[ID]", required=False)
@click.option("--all", "everything", is_flag=True, help="Drop all of this side's dead letters.")
@config_option("DIR/SIDE")
@json_option
def drop_(letter_id: str | None, everything: bool, directory: Path, as_json: bool) -> None:
    """Drop one refused message, or all."""
    if (letter_id is None) != everything:
        raise click.UsageError("give the ID of a dead letter, or --all")
    url, queues = _side(directory)
    which = None if letter_id is None else _named(letter_id, url, queues).id
    _record_drop(directory, which or "all")
    count = drop(url, queues, lambda one: which in (None, one.id))
    answer(as_json, {"dropped": count}, f"Dropped {count}.")


def _named(beginning: str, url: str, queues: list[str]) -> DeadLetter:
    """Return the one dead letter whose id begins so; the same message may have come several times."""
    found = {one.id: one for one in listed(url, queues, 10_000) if one.id.startswith(beginning)}
    if not found:
        raise NothingFound(f"there is no dead letter {beginning}")
    if len(found) > 1:
        raise click.UsageError(
            f"{beginning!r} is the beginning of {len(found)} ids; write more of it"
        )
    return found.popitem()[1]


def _line(header: str) -> str:
    """Return what a header says, fit for a terminal: whoever owns the broker can write anything."""
    return visible(header, 60)


def _record_drop(directory: Path, which: str) -> None:
    """No audit entry, no action: what an operator is about to drop is on record before."""
    from pipeline.clock import now
    from pipeline.commands.operators import operator
    from pipeline.database.advance import record
    from pipeline.database.engine import open_database
    from pipeline.database.migrate import check

    url, side, audit = _record_of(directory)
    database = open_database(url, pool_size=1)
    try:
        check(database, side, directory)
        with database.write() as connection:
            details = {"operator": operator(), "which": which}
            record(connection, audit, "dead-letters-dropped", details, now())
    finally:
        database.dispose()


def _record_of(directory: Path) -> "tuple[str, Side, Table]":
    """Return the URL of the side's database, which side it is, and its audit."""
    if _role(directory) is Role.WEB:
        from pipeline.web.tables import audit as web_audit
        from settings.web import load_web

        return load_web(directory).database, "web", web_audit
    from pipeline.signer.tables import audit
    from settings.signer import load_signer

    return load_signer(directory).database, "signer", audit


def _summary(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "queue": letter.queue,
        "reason": letter.reason,
        "refused_at": letter.refused_at,
        "bytes": len(letter.octets),
    }


def _side(directory: Path) -> tuple[str, list[str]]:
    """Return the broker's URL and the queues of the side whose folder this is."""
    role = _role(directory)
    if role is Role.WEB:
        from settings.web import load_web

        broker = load_web(directory).broker
    else:
        from settings.signer import load_signer

        broker = load_signer(directory).broker
    if broker == EMBEDDED:
        raise HttpcaError(
            f"{directory} names no RabbitMQ: that of a side stands in DIR/web or DIR/signer, and"
            " `httpca dev` keeps dead letters in its memory only, and tells of them in its log"
        )
    return broker, [stage.queue for stage in stages_of(role)]


def _role(directory: Path) -> Role:
    """Read whose folder this is; the settings themselves are checked when they are loaded."""
    role = read_role(directory)
    if role not in (Role.WEB, Role.SIGNER):
        raise HttpcaError(f"{directory} is neither DIR/web nor DIR/signer")
    return Role(role)
