"""The accounts of an installation: who they are for, and the URLs by which they connect."""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from pipeline.setup.grants import passwords
from pipeline.setup.grants.servers import Servers
from pipeline.stages import Role

WEB: Final = {"http": "web", "worker": "web_worker", "operator": "web_operator"}
SIGNER: Final = {"signer": "signer", "reader": "signer_reader", "approvers": "approvers"}
"""For each kind of account in ``pipeline.SIDE.grants`` its name, behind the prefix."""

APPROVERS: Final = "approvers"
"""The role that every approver's account is a member of; nobody logs in as it."""

OWNERS: Final = {"web": "web_owner", "signer": "signer_owner"}


@dataclass(frozen=True, slots=True)
class Account:
    """An account: a PostgreSQL role, and where it has to do with the broker also RabbitMQ's user."""

    name: str
    side: str
    database_password: str = field(repr=False)
    broker_password: str = field(repr=False)
    role: Role | None = None
    """Whose messages it carries; None for those that never speak to the broker."""


def make(servers: Servers, name: str, side: str, role: Role | None = None) -> Account:
    """Return a new account with fresh passwords; ``name`` is without the prefix."""
    return Account(servers.account(name), side, passwords.new(), passwords.new(), role)


def make_all(servers: Servers) -> dict[str, Account]:
    """Return new accounts for both sides, by their names without the prefix; not the approvers'."""
    made = [
        ("web", "web", None),
        ("web_worker", "web", Role.WEB),
        ("web_operator", "web", None),
        ("web_owner", "web", None),
        ("signer", "signer", Role.SIGNER),
        ("signer_reader", "signer", None),
        ("signer_owner", "signer", None),
    ]
    return {name: make(servers, name, side, role) for name, side, role in made}


def make_approver(servers: Servers, approver: str) -> Account:
    """Return a new account for an approver.

    Raises:
        SettingsError: their name is too long for one.
    """
    name = servers.account_of_approver(approver)
    return Account(name, "signer", passwords.new(), passwords.new(), Role.APPROVER)


def database_url(servers: Servers, account: Account) -> str:
    """Return how an account connects to the database of its side."""
    address = servers.web_postgresql if account.side == "web" else servers.signer_postgresql
    login = f"{quote(account.name, safe='')}:{quote(account.database_password, safe='')}"
    return f"postgresql+psycopg://{login}@{address}/{servers.database(account.side)}"


def broker_url(servers: Servers, account: Account) -> str:
    """Return how an account connects to the broker: by its certificate where there is TLS."""
    vhost = quote(servers.vhost, safe="")
    if servers.tls != "none":
        return ";".join(f"amqps://{address}/{vhost}" for address in servers.brokers)
    login = f"{quote(account.name, safe='')}:{quote(account.broker_password, safe='')}"
    return ";".join(f"amqp://{login}@{address}/{vhost}" for address in servers.brokers)
