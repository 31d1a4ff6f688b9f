"""The command `httpca`, and the one place where an error becomes a sentence and an exit code.

0 done, 1 failed, 2 usage, 3 not found, 4 already decided otherwise, 5 sent but not confirmed in time.
"""

import resource
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

import click

from pipeline.commands.lazy import LazyGroup
from pipeline.crypto.visible import visible
from pipeline.errors import HttpcaError, in_words

if TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError

COMMANDS = {
    "dev": ("pipeline.commands.dev:dev", "Run everything in one process, to try HttpCA out."),
    "setup": (
        "pipeline.commands.setup_verbs:setup",
        "Make keys, certificates and settings; renew and revoke.",
    ),
    "grants": (
        "pipeline.commands.grants:grants",
        "Make the accounts on PostgreSQL and RabbitMQ.",
    ),
    "migrate": ("pipeline.commands.migrate:migrate", "Bring a side's database up to date."),
    "run": ("pipeline.commands.run:run", "Run one process of a side."),
    "token": ("pipeline.commands.token:token", "Requesters' tokens (web side)."),
    "approve": ("pipeline.approve.command:approve", "Decide on requests that wait for approval."),
    "backup": ("pipeline.commands.backup:backup", "Write a side's folder and database to a file."),
    "restore": ("pipeline.commands.backup:restore", "Restore a side from its backup."),
    "export": (
        "pipeline.commands.export:export",
        "Write what the web side holds, for a restored signer.",
    ),
    "reconcile": (
        "pipeline.commands.reconcile:reconcile",
        "Let a restored web side learn what it forgot.",
    ),
    "policy": ("pipeline.commands.policy:policy", "Check a policy, or try a CSR against it."),
    "requests": ("pipeline.commands.requests:requests", "Look after requests (signer side)."),
    "dead-letters": (
        "pipeline.commands.dead_letters:dead_letters",
        "Look at refused messages, and drop them.",
    ),
    "ca": ("pipeline.commands.ca:ca", "Look at the issuing CAs, or bring in the next."),
    "keys": ("pipeline.commands.keys:keys", "Keep the list of keys for which nothing is signed."),
    "audit": ("pipeline.commands.audit:audit", "Look into the signer's audit, and verify it."),
    "signer": ("pipeline.commands.signer:signer", "Stop all signing, or let it go on."),
}
"""Every command, where it is, and what `--help` says of it."""


def _show_version(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(f"httpca {version('httpca')}")
        context.exit()


@click.group(
    cls=LazyGroup,
    commands_by_name=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """A certificate authority whose signing key nobody can reach."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    _dump_no_memory()
    try:
        code = cli.main(arguments, prog_name="httpca", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _failed("interrupted")
    except Exception as error:
        sentence = _expected(error)
        if sentence is None:
            raise
        return _failed(sentence)
    return code if isinstance(code, int) else 0


def _dump_no_memory() -> None:
    """Keep the system from writing the memory of a process that crashes, as a PKCS #11 module may make
    it, to a file: there are keys, passphrases and PINs in it."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))


def _failed(sentence: str) -> int:
    click.echo(f"Error: {sentence}", err=True)
    return 1


def _expected(error: Exception) -> str | None:
    """Return the sentence for an error that is no defect of the program, else None."""
    if isinstance(error, HttpcaError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename}: {in_words(error)}" if error.filename else in_words(error)
    if "sqlalchemy" in sys.modules:
        from sqlalchemy.exc import DBAPIError

        if isinstance(error, DBAPIError):
            return _of_the_database(error)
    return None


def _of_the_database(error: "DBAPIError") -> str:
    from psycopg.errors import InsufficientPrivilege, ReadOnlySqlTransaction

    # It may quote what somebody wrote into the database, for the eyes of who looks.
    said = visible(" ".join(str(error.orig).split()))
    if isinstance(error.orig, InsufficientPrivilege):
        return (
            f"the account of this folder may not do that: {said}; docs/install.md says what the"
            " account of each folder is for"
        )
    if isinstance(error.orig, ReadOnlySqlTransaction):
        return f"the account of this folder only reads, or its server takes no changes: {said}"
    return f"the database cannot be used: {said}"
