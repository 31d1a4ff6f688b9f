"""The edge of the command: opens the approver's desk, explains failures, knows the terminal."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from sqlalchemy.exc import DBAPIError

from pipeline.approve.desk import Desk, open_desk
from pipeline.approve.find import Ambiguous, NotFound
from pipeline.approve.harmless import harmless
from pipeline.errors import HttpcaError
from settings.approver import load_approver
from settings.transport import unprotected


class Failure(click.ClickException):
    """Something that the approver is told in a sentence: exit code 1."""


class NothingFound(Failure):
    """No request has that id: exit code 3."""

    exit_code = 3


@contextmanager
def opened_desk(config: Path | None) -> Iterator[Desk]:
    """Open the approver's desk, send first what earlier runs left, and explain every failure."""
    if config is None:
        raise click.UsageError("Say who you are: --config DIR/approvers/NAME")
    try:
        settings = load_approver(config)
        for host in (*unprotected(settings.signer_database), *unprotected(settings.broker)):
            said = f"Warning: the connection to {host} has no TLS that checks who answers there."
            click.echo(harmless(said, 4000), err=True)
        desk = open_desk(settings)
        desk.ask_passphrase = _ask_passphrase
        try:
            _report_flush(desk)
            yield desk
        finally:
            desk.close()
    except Ambiguous as error:
        raise click.UsageError(str(error)) from error
    except NotFound as error:
        raise NothingFound(harmless(str(error), 4000)) from error
    except HttpcaError as error:
        raise Failure(harmless(str(error), 4000)) from error
    except DBAPIError as error:
        raise Failure(_of_database(error)) from error


def _ask_passphrase() -> bytes | None:
    """Ask for the passphrase of the approver's key, where there is a terminal."""
    if not sys.stdin.isatty():
        return None
    typed: str = click.prompt("Passphrase of your message key", hide_input=True, err=True)
    return typed.encode()


def _report_flush(desk: Desk) -> None:
    answers, damaged = desk.flush()
    for answer in answers:
        said = f"Your earlier decision to {answer.verdict} {answer.request_id}: {answer.sentence}"
        click.echo(harmless(said, 4000), err=True)
    for problem in damaged:
        click.echo(harmless(f"{problem} Look at it, and remove it.", 4000), err=True)


def _of_database(error: DBAPIError) -> str:
    first = str(error.orig).strip().partition("\n")[0]
    return harmless(f"The signer's database cannot be read ({first}).")


def console() -> Console:
    """Return the terminal: without colour or markup when it is none."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    terminal = sys.stdout.isatty()
    return Console(
        file=sys.stdout,
        force_terminal=terminal,
        color_system="auto" if terminal else None,
        markup=False,
        highlight=False,
        emoji=False,
    )
