"""Make the folders that HttpCA runs from: keys, certificates, trust, settings, policy.

All is made in a folder beside the wanted one and renamed into place at the end, so that it is there
whole or not at all. Databases and brokers are not touched.
"""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib.resources import files as resources
from pathlib import Path
from typing import Final

from cryptography import x509

from pipeline.clock import Clock, now
from pipeline.crypto.identity import Sender
from pipeline.errors import SettingsError
from pipeline.setup import audit_key, ca, files, message_ca, settings_files
from pipeline.setup.message_ca import MessageCa
from pipeline.setup.options import COMMAND, SetupOptions
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
    with _whole_or_not_at_all(options.directory) as directory:
        _fill(directory, options, passphrase, clock())


def _fill(
    directory: Path, options: SetupOptions, passphrase: bytes | None, moment: datetime
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
    files.write(directory / "web" / FILE, settings_files.web(options))
    files.write(directory / "signer" / FILE, settings_files.signer(options))

    approvers: dict[Sender, x509.Certificate] = {}
    parent = files.folder(directory / "approvers")
    for name in dict.fromkeys(options.approvers):
        sender = Sender(Role.APPROVER, name)
        own = files.folder(parent / name)
        approvers[sender] = _identity(own, authority, sender, moment)
        files.folder(own / "spool")
        files.write(own / FILE, settings_files.approver(options, name))

    _trust(directory / "web", authority, senders)
    _trust(directory / "signer", authority, senders | approvers)
    _certificate_authority(directory, options, passphrase, moment)
    policy = resources("settings").joinpath("policy.toml").read_bytes()
    files.write(directory / "signer" / "policy.toml", policy)
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
    try:
        root_key, key = key_file.generate(options.ca_key), key_file.generate(options.ca_key)
    except ValueError as error:
        raise SettingsError(COMMAND, "--ca-key", str(error)) from error
    name = options.ca_name
    root = ca.make_root(root_key, f"{name} Root CA", moment, x509.random_serial_number())
    issuing = ca.make_issuing(
        key.public_key,
        f"{name} Issuing CA",
        root,
        root_key,
        moment,
        x509.random_serial_number(),
    )
    offline, online = directory / "setup", files.folder(directory / "signer" / "ca")
    key_file.save(offline / "root.key", root_key, passphrase)
    key_file.save(online / "issuing.key", key, passphrase)
    files.write_certificate(offline / "root.pem", root)
    files.write_certificate(online / "root.pem", root)
    files.write_certificate(online / "issuing.pem", issuing)


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
