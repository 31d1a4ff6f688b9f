"""What is done to accounts after set-up: one for another approver, and certificates made anew.

It works on the folder that `httpca setup` made, or on what of it lies on this machine; a folder that
is not there is passed over.
"""

import os
import re
import secrets
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from pipeline.errors import SettingsError
from pipeline.setup import files
from pipeline.setup.grants import accounts, folders, postgresql, rabbitmq, servers, transport, write
from pipeline.setup.grants.servers import Servers
from settings.load import FILE


def grants_folder(directory: Path) -> Path:
    """Return where what is applied to the servers lies."""
    return directory / "setup" / write.GRANTS


def has_accounts(directory: Path) -> bool:
    """Say whether set-up gave each process an account of its own, and its folder is here."""
    return (grants_folder(directory) / servers.FILE).is_file()


def give_account(
    directory: Path, approver: str, passphrase: bytes | None, now: datetime
) -> list[Path]:
    """Give an approver, who has a folder, an account of their own; anew if they had one.

    Returns the files for the administrator to apply.

    Raises:
        SettingsError: there is no such approver here, or set-up made no accounts, or no transport CA.
    """
    setup = grants_folder(directory)
    where = servers.load(setup)
    own = directory / "approvers" / approver
    if not (own / FILE).is_file():
        raise SettingsError(own, "", "there is no such approver's folder; make it first")
    ca = _ca(directory, passphrase) if where.tls == "made" else None
    account = accounts.make_approver(where, approver)
    text = (own / FILE).read_text("utf-8")
    text = _set(own / FILE, text, "signer_database", accounts.database_url(where, account))
    text = _set(own / FILE, text, "broker", accounts.broker_url(where, account))
    if where.tls != "none" and "\n[tls]\n" not in text:
        text += folders.TLS.format(account=account.name)
    if ca is not None:
        _client(own, ca, account.name, now)
    _replace(own / FILE, text.encode())
    statements, definitions = (
        setup / f"approver-{approver}.sql",
        setup / f"approver-{approver}.json",
    )
    _replace(statements, postgresql.approver(where, account).encode())
    _replace(definitions, rabbitmq.definitions(where, [account]))
    return [statements, definitions]


def renew(directory: Path, passphrase: bytes | None, now: datetime) -> list[Path]:
    """Make every certificate for TLS anew that is here, with a new key; return the certificates.

    The old ones go on being good until they end, so servers and clients can follow one by one.

    Raises:
        SettingsError: set-up made no accounts or no certificates, or the transport CA cannot be read.
    """
    where = servers.load(grants_folder(directory))
    if where.tls != "made":
        problem = (
            f"set-up made no certificates for TLS (--tls {where.tls}): there are none to renew"
        )
        raise SettingsError(directory, "", problem)
    ca = _ca(directory, passphrase)
    made = [_client(folder, ca, account, now) for folder, account in _clients(directory, where)]
    for folder, stem, host in write.server_certificates(directory / "setup" / write.SERVERS, where):
        if folder.is_dir():
            made.append(_put(transport.for_server(ca, host, now), folder, stem))
    return made


def _clients(directory: Path, where: Servers) -> Iterator[tuple[Path, str]]:
    for name, account in write.FOLDERS.items():
        if (directory / name).is_dir():
            yield directory / name, where.account(account)
    for folder in sorted((directory / "approvers").glob("*")):
        if (folder / "transport.pem").is_file():
            yield folder, where.account_of_approver(folder.name)


def _client(folder: Path, ca: transport.Certified, account: str, now: datetime) -> Path:
    if not (folder / "transport-ca.pem").exists():
        files.write_certificate(folder / "transport-ca.pem", ca.certificate)
        _keep_owner(folder / "transport-ca.pem")
    return _put(transport.for_account(ca, account, now), folder, "transport")


def _ca(directory: Path, passphrase: bytes | None) -> transport.Certified:
    certificate = directory / "setup" / "transport-ca.pem"
    return transport.read_ca(certificate, certificate.with_suffix(".key"), passphrase)


def _put(made: transport.Certified, folder: Path, stem: str) -> Path:
    """Put a key and its certificate in place, each whole, over those that were there."""
    tag = secrets.token_hex(8)
    key, certificate = folder / f".{stem}.key.{tag}", folder / f".{stem}.pem.{tag}"
    made.write(certificate, key)
    for path, end in ((key, "key"), (certificate, "pem")):
        _keep_owner(path)
        path.replace(folder / f"{stem}.{end}")
    files.sync_folder(folder)
    return folder / f"{stem}.pem"


def _replace(file: Path, octets: bytes) -> None:
    beside = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    files.write(beside, octets)
    _keep_owner(beside)
    beside.replace(file)
    files.sync_folder(file.parent)


def _keep_owner(path: Path) -> None:
    """Give a new file to the owner of its folder, who is to read it, when we are root."""
    owner = path.parent.stat()
    if (owner.st_uid, owner.st_gid) != (path.stat().st_uid, path.stat().st_gid):
        os.chown(path, owner.st_uid, owner.st_gid)


def _set(file: Path, text: str, key: str, value: str) -> str:
    line = f"{key} = {folders.quoted(value)}"
    changed, count = re.subn(rf"^{key} = .*$", lambda _: line, text, count=1, flags=re.MULTILINE)
    if not count:
        raise SettingsError(file, key, "is not there, and is to be replaced; add it")
    return changed
