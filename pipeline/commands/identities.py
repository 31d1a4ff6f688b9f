"""`httpca setup add-approver | renew | revoke | list`: message identities after the set-up."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from pipeline.clock import now
from pipeline.commands import identities_told as told
from pipeline.commands.options import answer, json_option
from pipeline.crypto import identity
from pipeline.crypto.own_identity import KEY
from pipeline.errors import SettingsError
from pipeline.setup import identities, installation, listing, message_ca
from pipeline.setup.grants import later
from pipeline.setup.message_ca import MessageCa
from settings.load import read
from settings.passphrase import read_passphrase

F = TypeVar("F", bound=Callable[..., Any])


def _directory_option(function: F) -> F:
    return click.option(
        "--dir",
        "directory",
        metavar="DIR",
        required=True,
        envvar="HTTPCA_HOME",
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        help="The folder that `httpca setup` made; or in HTTPCA_HOME.",
    )(function)


def _authority_option(function: F) -> F:
    return click.option(
        "--passphrase-file",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Holds the passphrase of DIR/setup/message-ca.key; else a terminal is asked.",
    )(function)


def _key_option(function: F) -> F:
    return click.option(
        "--key-passphrase-file",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Encrypt the new message key with the one line of this file.",
    )(function)


@click.command("add-approver")
@click.argument("name", metavar="NAME")
@_directory_option
@click.option(
    "--approver-database",
    metavar="URL",
    help="The signer's database, with an account for approvers.  [default: as another approver]",
)
@click.option(
    "--approver-broker", metavar="URL", help="The broker.  [default: as another approver]"
)
@_authority_option
@_key_option
@json_option
def add_approver(
    name: str,
    directory: Path,
    approver_database: str | None,
    approver_broker: str | None,
    passphrase_file: Path | None,
    key_passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Let one more person approve: a folder DIR/approvers/NAME for them, and the signer's trust."""
    identities.check_name(name)
    database, broker = _as_another(directory, approver_database, approver_broker)
    change = identities.add_approver(
        directory,
        name,
        _authority(directory, passphrase_file),
        now(),
        database=database,
        broker=broker,
        passphrase=read_passphrase(key_passphrase_file) if key_passphrase_file else None,
    )
    sentence = told.added(change)
    if not (approver_database or approver_broker) and later.has_accounts(directory):
        # Never with the password of the approver whose settings were taken as a pattern.
        passphrase = read_passphrase(passphrase_file) if passphrase_file else None
        later.give_account(directory, name, passphrase, now())
        folder = later.grants_folder(directory)
        sentence += f"\nTheir account is to be made on the servers: httpca grants apply {folder}"
    answer(as_json, told.as_json(change), sentence)


@click.command()
@click.argument("name", metavar="web|signer|NAME")
@_directory_option
@_authority_option
@_key_option
@json_option
def renew(
    name: str,
    directory: Path,
    passphrase_file: Path | None,
    key_passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Make a new message key and certificate for a side or an approver, beside the old one.

    Both are trusted until the old one is put away, so nothing has to stop meanwhile.
    """
    sender = installation.sender_of(name)
    key = installation.own_folder(directory, sender) / KEY
    if identity.is_encrypted(key) and key_passphrase_file is None:
        problem = "is encrypted, so the new one is to be, too: give --key-passphrase-file"
        raise SettingsError(key, "", problem)
    passphrase = read_passphrase(key_passphrase_file) if key_passphrase_file else None
    authority = _authority(directory, passphrase_file)
    change = identities.renew(directory, sender, authority, now(), passphrase)
    answer(as_json, told.as_json(change), told.renewed(change))


@click.command()
@click.argument("name", metavar="web|signer|NAME")
@_directory_option
@click.option(
    "--certificate",
    metavar="SHA256",
    default="",
    help="Only the one whose fingerprint begins so, as `list` shows it.  [default: all of NAME]",
)
@json_option
def revoke(name: str, directory: Path, certificate: str, as_json: bool) -> None:
    """Trust the message certificates of a side or an approver no more, and say what that means."""
    change = identities.revoke(directory, installation.sender_of(name), certificate)
    answer(as_json, told.as_json(change), told.revoked(change, directory))


@click.command("list")
@_directory_option
@json_option
def list_(directory: Path, as_json: bool) -> None:
    """List every message identity: whose it is, until when, and where it is trusted."""
    found = listing.certificates(directory)
    answer(as_json, told.listed_as_json(found), told.listed(found, now()))


def _authority(directory: Path, passphrase_file: Path | None) -> MessageCa:
    offline = directory / "setup"
    key = offline / "message-ca.key"
    passphrase = None
    if passphrase_file is not None:
        passphrase = read_passphrase(passphrase_file)
    elif identity.is_encrypted(key) and sys.stdin.isatty():
        asked = click.prompt("Passphrase of the message CA's key", hide_input=True, err=True)
        passphrase = str(asked).encode()
    return message_ca.load(offline / "message-ca.pem", key, passphrase)


def _as_another(directory: Path, database: str | None, broker: str | None) -> tuple[str, str]:
    """Return database and broker as given, or as in the settings of another approver."""
    others = sorted((directory / "approvers").glob("*/settings.toml"))
    found = read(others[0]) if others else {}
    database = database or str(found.get("signer_database", ""))
    broker = broker or str(found.get("broker", ""))
    if not database or not broker:
        raise click.UsageError(
            "No other approver's settings lie here: say how this one reaches the signer's database"
            " and the broker, by --approver-database and --approver-broker."
        )
    return database, broker
