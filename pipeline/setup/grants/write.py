"""Write what accounts need into a folder that `httpca setup` makes: settings, certificates for TLS,
and the files that an administrator looks through and applies to the servers.
"""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from pipeline.setup import files
from pipeline.setup.grants import accounts, folders, postgresql, rabbitmq, servers, transport
from pipeline.setup.grants.accounts import Account
from pipeline.setup.grants.servers import Servers
from settings.load import FILE

GRANTS: Final = "grants"
SERVERS: Final = "servers"
"""Folders below ``DIR/setup``: what is applied to the servers, and what is installed there."""

_SIDES: Final = ("web", "signer")
FOLDERS: Final = {
    "web-http": "web",
    "web": "web_worker",
    "web-operator": "web_operator",
    "signer": "signer",
    "signer-reader": "signer_reader",
    "owner/web": "web_owner",
    "owner/signer": "signer_owner",
}
"""Whose account each folder has."""


@dataclass(frozen=True, slots=True)
class Grants:
    """The accounts of an installation that is being set up."""

    servers: Servers
    own: dict[str, Account]
    approvers: dict[str, Account]
    ca: transport.Certified | None = field(repr=False)

    def tls(self, account: Account) -> str:
        """Return the lines of a ``settings.toml`` for TLS."""
        return "" if self.servers.tls == "none" else folders.TLS.format(account=account.name)

    def database(self, name: str) -> str:
        """Return the URL by which one of our own accounts connects to its database."""
        return accounts.database_url(self.servers, self.own[name])


def plan(where: Servers, approvers: list[str], ca_name: str, now: datetime) -> Grants:
    """Choose accounts and passwords, and make the transport CA if it is wanted.

    Raises:
        SettingsError: an approver's name is too long for an account.
    """
    return Grants(
        servers=where,
        own=accounts.make_all(where),
        approvers={name: accounts.make_approver(where, name) for name in approvers},
        ca=transport.make_ca(f"{ca_name} transport CA", now) if where.tls == "made" else None,
    )


def write(directory: Path, grants: Grants, passphrase: bytes | None, now: datetime) -> None:
    """Write everything into a folder in which the sides' and the approvers' own folders are."""
    own, where = grants.own, grants.servers
    for name, text in {
        "web-http": folders.http(grants.database("web")),
        "web-operator": folders.web_operator(grants.database("web_operator")),
        "signer-reader": folders.signer_reader(grants.database("signer_reader")),
        "owner/web": _owner(grants, "web", accounts.WEB),
        "owner/signer": _owner(grants, "signer", accounts.SIGNER),
    }.items():
        folder = directory / name
        folder.parent.mkdir(mode=0o700, exist_ok=True)
        files.folder(folder)
        if name != "owner/web" and name != "owner/signer":
            files.folder(folder / "data")
        settings = text + grants.tls(own[FOLDERS[name]])
        files.write(folder / FILE, settings.encode())
    _for_administrators(directory / "setup", grants)
    if grants.ca is not None:
        ca = directory / "setup" / "transport-ca.pem"
        grants.ca.write(ca, ca.with_suffix(".key"), passphrase)
        for name, account in FOLDERS.items():
            _client(directory / name, grants.ca, own[account], now)
        for name, approver in grants.approvers.items():
            _client(directory / "approvers" / name, grants.ca, approver, now)
        _for_servers(directory / "setup" / SERVERS, where, grants.ca, now)


def _owner(grants: Grants, side: str, kinds: dict[str, str]) -> str:
    granted = {kind: grants.servers.account(name) for kind, name in kinds.items()}
    return folders.owner(side, grants.database(accounts.OWNERS[side]), granted)


def _for_administrators(setup: Path, grants: Grants) -> None:
    where, everybody = grants.servers, list(grants.own.values())
    folder = files.folder(setup / GRANTS)
    files.write(folder / servers.FILE, servers.dump(where))
    for side in _SIDES:
        text = postgresql.side(where, side, everybody)
        files.write(folder / f"postgresql-{side}.sql", text.encode())
    files.write(folder / "rabbitmq.json", rabbitmq.definitions(where, everybody))
    for name, account in grants.approvers.items():
        write_approver(folder, where, name, account)
    installed = files.folder(setup / SERVERS)
    for name, sides in _postgresql_servers(where).items():
        server = files.folder(installed / name)
        files.write(server / "pg_hba.conf", postgresql.hba(where, sides).encode())
        if where.tls != "none":
            files.write(server / "postgresql.conf", postgresql.configuration().encode())
    if where.tls != "none":
        server = files.folder(installed / "rabbitmq")
        files.write(server / "rabbitmq.conf", rabbitmq.configuration().encode())


def write_approver(folder: Path, where: Servers, name: str, account: Account) -> None:
    """Write what makes an approver's account into ``DIR/setup/grants``.

    Raises:
        FileExistsError: there is one of that name.
    """
    files.write(folder / f"approver-{name}.sql", postgresql.approver(where, account).encode())
    files.write(folder / f"approver-{name}.json", rabbitmq.definitions(where, [account]))


def _postgresql_servers(where: Servers) -> dict[str, tuple[str, ...]]:
    if where.one_postgresql:
        return {"postgresql": _SIDES}
    return {f"{side}-postgresql": (side,) for side in _SIDES}


def _client(folder: Path, ca: transport.Certified, account: Account, now: datetime) -> None:
    made = transport.for_account(ca, account.name, now)
    made.write(folder / "transport.pem", folder / "transport.key")
    files.write_certificate(folder / "transport-ca.pem", ca.certificate)


def _for_servers(folder: Path, where: Servers, ca: transport.Certified, now: datetime) -> None:
    for server, stem, host in server_certificates(folder, where):
        if not (server / "ca.pem").exists():
            files.write_certificate(server / "ca.pem", ca.certificate)
        made = transport.for_server(ca, host, now)
        made.write(server / f"{stem}.pem", server / f"{stem}.key")


def server_certificates(folder: Path, where: Servers) -> list[tuple[Path, str, str]]:
    """Return for each server its folder below ``folder``, the name of its files, and its host."""
    addresses = {"rabbitmq": where.brokers}
    for name, sides in _postgresql_servers(where).items():
        addresses[name] = [where.web_postgresql if "web" in sides else where.signer_postgresql]
    return [
        (folder / name, "server" if number == 1 else f"server-{number}", one.rpartition(":")[0])
        for name, found in addresses.items()
        for number, one in enumerate(found, start=1)
    ]
