"""Make the folders that HttpCA runs from: keys, certificates, trust, settings, policy.

All is made in a folder beside the wanted one and renamed into place at the end, so that it is there
whole or not at all. Databases and brokers are not touched.
"""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from importlib.resources import files as resources
from pathlib import Path
from typing import Final

from cryptography import x509

from pipeline.clock import Clock, now
from pipeline.crypto.identity import Sender
from pipeline.errors import SettingsError
from pipeline.setup import audit_key, ca, files, message_ca, settings_files
from pipeline.setup.grants import accounts
from pipeline.setup.grants import write as grants
from pipeline.setup.grants.write import Grants
from pipeline.setup.issuing import KeyWish, make_key
from pipeline.setup.message_ca import MessageCa
from pipeline.setup.options import COMMAND, SetupOptions
from pipeline.signer.keys import SigningKey
from pipeline.signer.keys import file as key_file
from pipeline.stages import Role
from settings.load import FILE
from settings.passphrase import read_passphrase

SIDES: Final = (Sender(Role.WEB, "web"), Sender(Role.SIGNER, "signer"))


def create(options: SetupOptions, clock: Clock = now) -> None:
    """Make ``options.directory`` with all that the sides and the approvers need.

    Raises:
        SettingsError: an option is wrong, the directory holds something already, or it cannot be
            made; then nothing was made.
    """
    options.check()
    passphrase = read_passphrase(options.passphrase_file) if options.passphrase_file else None
    moment = clock()
    granted = None
    if options.servers is not None:
        names = list(dict.fromkeys(options.approvers))
        granted = grants.plan(options.servers, names, options.ca_name, moment)
        options = _with_accounts(options, granted)
    with _whole_or_not_at_all(options.directory) as directory:
        _fill(directory, options, passphrase, moment, granted)
        if granted is not None:
            grants.write(directory, granted, passphrase, moment)


def _with_accounts(options: SetupOptions, granted: Grants) -> SetupOptions:
    """Return the options with the URLs of the sides' own accounts."""
    where, own = granted.servers, granted.own
    return replace(
        options,
        web_database=accounts.database_url(where, own["web_worker"]),
        web_broker=accounts.broker_url(where, own["web_worker"]),
        signer_database=accounts.database_url(where, own["signer"]),
        signer_broker=accounts.broker_url(where, own["signer"]),
    )


def _as_approver(options: SetupOptions, granted: Grants, name: str) -> SetupOptions:
    """Return the options with the URLs of an approver's own account."""
    where, account = granted.servers, granted.approvers[name]
    return replace(
        options,
        approver_database=accounts.database_url(where, account),
        approver_broker=accounts.broker_url(where, account),
    )


def _fill(
    directory: Path,
    options: SetupOptions,
    passphrase: bytes | None,
    moment: datetime,
    granted: Grants | None,
) -> None:
    offline = files.folder(directory / "setup")
    authority = message_ca.make(f"{options.ca_name} message CA", moment)
    files.write_certificate(offline / "message-ca.pem", authority.certificate)
    files.write_key(offline / "message-ca.key", authority.key, passphrase)

    senders: dict[Sender, x509.Certificate] = {}
    for sender in SIDES:
        side = files.folder(directory / sender.name)
        senders[sender] = _identity(side, authority, sender, moment)
        files.folder(side / "data")
    tls = {name: granted.tls(account) for name, account in granted.own.items()} if granted else {}
    web = settings_files.web(options) + tls.get("web_worker", "").encode()
    files.write(directory / "web" / FILE, web)
    signer = settings_files.signer(options) + tls.get("signer", "").encode()
    files.write(directory / "signer" / FILE, signer)

    approvers: dict[Sender, x509.Certificate] = {}
    parent = files.folder(directory / "approvers")
    for name in dict.fromkeys(options.approvers):
        sender = Sender(Role.APPROVER, name)
        own = files.folder(parent / name)
        approvers[sender] = _identity(own, authority, sender, moment)
        files.folder(own / "spool")
        theirs = _as_approver(options, granted, name) if granted else options
        protected = granted.tls(granted.approvers[name]) if granted else ""
        files.write(own / FILE, settings_files.approver(theirs, name) + protected.encode())

    _trust(directory / "web", authority, senders)
    _trust(directory / "signer", authority, senders | approvers)
    _certificate_authority(directory, options, passphrase, moment)
    for name in ("policy.toml", "more-profiles.toml"):
        files.write(directory / "signer" / name, resources("settings").joinpath(name).read_bytes())
    audit_key.make(directory / "signer")


def _identity(
    directory: Path, authority: MessageCa, sender: Sender, moment: datetime
) -> x509.Certificate:
    issued = message_ca.issue(authority, sender, moment)
    files.write_key(directory / "message.key", issued.key)
    files.write_certificate(directory / "message.pem", issued.certificate)
    return issued.certificate


def _trust(side: Path, authority: MessageCa, accepted: dict[Sender, x509.Certificate]) -> None:
    folder = files.folder(side / "trusted")
    files.write_certificate(folder / "message-ca.pem", authority.certificate)
    for sender, certificate in accepted.items():
        prefix = "approver-" if sender.role is Role.APPROVER else ""
        files.write_certificate(folder / f"{prefix}{sender.name}.pem", certificate)


def _certificate_authority(
    directory: Path, options: SetupOptions, passphrase: bytes | None, moment: datetime
) -> None:
    offline, online = directory / "setup", files.folder(directory / "signer" / "ca")
    try:
        root_key = key_file.generate(options.ca_key)
    except ValueError as error:
        raise SettingsError(COMMAND, "--ca-key", str(error)) from error
    key = _issuing_key(online, options, passphrase)
    name = options.ca_name
    below = options.ca_path_length
    root = ca.make_root(
        root_key, f"{name} Root CA", moment, x509.random_serial_number(), path_length=below + 1
    )
    issuing = ca.make_issuing(
        key.public_key,
        f"{name} Issuing CA",
        root,
        root_key,
        moment,
        x509.random_serial_number(),
        path_length=below,
    )
    key_file.save(offline / "root.key", root_key, passphrase)
    files.write_certificate(offline / "root.pem", root)
    files.write_certificate(online / "root.pem", root)
    files.write_certificate(online / "issuing.pem", issuing)


def _issuing_key(folder: Path, options: SetupOptions, passphrase: bytes | None) -> SigningKey:
    if options.ca_token:
        return make_key(KeyWish(options.ca_key, options.ca_token, options.pin_source), folder)
    key = key_file.generate(options.ca_key)
    key_file.save(folder / "issuing.key", key, passphrase)
    return key


@contextmanager
def _whole_or_not_at_all(wanted: Path) -> Iterator[Path]:
    """Give a folder to fill, which becomes ``wanted`` when the block ends without an error."""
    wanted = wanted.resolve()
    beside = wanted.parent / f".{wanted.name}.{secrets.token_hex(8)}"
    try:
        if wanted.exists() and (not wanted.is_dir() or any(wanted.iterdir())):
            raise SettingsError(
                wanted, "", "there is something here already; set up in a new or an empty folder"
            )
        wanted.parent.mkdir(parents=True, exist_ok=True)
        files.folder(beside)
        yield beside
        for folder, _, _ in os.walk(beside):
            files.sync_folder(Path(folder))
        beside.rename(wanted)
        files.sync_folder(wanted.parent)
    except OSError as error:
        raise SettingsError(wanted, "", f"cannot be set up: {error.strerror or error}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
