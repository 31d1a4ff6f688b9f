"""`httpca keys`: the block list, of keys for which nothing is signed."""

from datetime import datetime
from pathlib import Path

import click

from pipeline.clock import now
from pipeline.commands.key_names import UnknownName, key_names
from pipeline.commands.operators import operator
from pipeline.commands.options import NothingFound, answer, config_option, json_option
from pipeline.commands.signer_database import signer_database
from pipeline.crypto.visible import visible
from pipeline.database.engine import AnyRow, Database
from pipeline.signer import blocked_keys

WHAT = "SERIAL|FINGERPRINT|FILE"


@click.group()
def keys() -> None:
    """Keys for which nothing is signed, whoever asks.

    A key is named by the serial number of a certificate of this signer, by the SHA-256 of its
    SubjectPublicKeyInfo, or by a file: a certificate, a CSR, a key, or a list of fingerprints, such
    as those of Debian's package openssl-blacklist.
    """


@keys.command()
@click.argument("wanted", metavar=WHAT, nargs=-1, required=True)
@config_option("DIR/signer")
@click.option("--reason", required=True, help="Why; whoever asks for such a key is told.")
@json_option
def block(directory: Path, wanted: tuple[str, ...], reason: str, as_json: bool) -> None:
    """Put keys on the block list, at once for all workers."""
    with signer_database(directory) as database:
        names = _names(database, wanted)
        added = blocked_keys.block(database, names, reason, operator(), now())
        valid = blocked_keys.certified(database, names, now())
    found = {
        "added": added,
        "known": len(names) - added,
        "certificates": [
            {"serial": row.serial, "request": row.request_id, "not_after": row.not_after}
            for row in valid
        ],
    }
    said = [f"{added} keys were added to the block list; {len(names) - added} were on it."]
    said += [
        f"Certificate {row.serial} for such a key is valid until {_day(row)}." for row in valid
    ]
    answer(as_json, found, "\n".join(said))


@keys.command()
@click.argument("wanted", metavar=WHAT, nargs=-1, required=True)
@config_option("DIR/signer")
@click.option("--reason", required=True, help="Why; for the audit.")
@json_option
def unblock(directory: Path, wanted: tuple[str, ...], reason: str, as_json: bool) -> None:
    """Take keys off the block list."""
    with signer_database(directory) as database:
        names = _names(database, wanted)
        removed = blocked_keys.unblock(database, names, reason, operator(), now())
    if not removed:
        raise NothingFound("none of these keys is on the block list")
    answer(as_json, {"removed": removed}, f"{removed} keys were taken off the block list.")


@keys.command("list")
@config_option("DIR/signer")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=100, show_default=True)
@json_option
def list_(directory: Path, limit: int, as_json: bool) -> None:
    """List the keys that were blocked last."""
    with signer_database(directory) as database:
        rows = blocked_keys.listed(database, limit)
    _answer(as_json, rows, "The block list is empty.")


@keys.command()
@click.argument("wanted", metavar=WHAT, nargs=-1, required=True)
@config_option("DIR/signer")
@json_option
def check(directory: Path, wanted: tuple[str, ...], as_json: bool) -> int:
    """Say whether keys are on the block list.

    The exit code is 1 when one of them is.
    """
    with signer_database(directory) as database:
        rows = blocked_keys.find(database, _names(database, wanted))
    _answer(as_json, rows, "None of these keys is on the block list.")
    return 1 if rows else 0


def _names(database: Database, wanted: tuple[str, ...]) -> set[str]:
    try:
        return {name for one in wanted for name in key_names(database, one)}
    except UnknownName as error:
        raise NothingFound(str(error)) from error


def _answer(as_json: bool, rows: list[AnyRow], none: str) -> None:
    found = [
        {"name": row.name, "reason": row.reason, "by": row.by, "blocked_at": row.blocked_at}
        for row in rows
    ]
    lines = [
        f"{row.name:64}  {row.blocked_at:%Y-%m-%d}  {visible(row.by, 30)}: {visible(row.reason, 200)}"
        for row in rows
    ]
    answer(as_json, {"keys": found}, "\n".join(lines) or none)


def _day(row: AnyRow) -> str:
    end: datetime = row.not_after
    return f"{end:%Y-%m-%d}"
