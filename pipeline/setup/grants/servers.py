"""Where PostgreSQL and RabbitMQ are, and how the accounts on them are called."""

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal, get_args

import msgspec

from pipeline.errors import SettingsError, in_words

TlsChoice = Literal["made", "yours", "none"]
"""Whether connections have TLS: with certificates that set-up makes, or yours; or not at all."""

FILE: Final = "servers.json"

PREFIX: Final = re.compile(r"[a-z][a-z0-9_]{0,19}")
_ADDRESS: Final = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):(\d{1,5})")

LONGEST_ACCOUNT: Final = 63
"""What PostgreSQL keeps of a name (bytes), and a common name in a certificate (64)."""


@dataclass(frozen=True, slots=True)
class Servers:
    """The servers, each as ``HOST:PORT``; ``rabbitmq`` may be several of a cluster, with commas.

    ``prefix`` begins the names of accounts and databases, and is the name of the vhost, so that one
    server can serve several installations.
    """

    web_postgresql: str
    signer_postgresql: str
    rabbitmq: str
    prefix: str = "httpca"
    tls: TlsChoice = "made"

    def check(self, command: str) -> None:
        """Raise ``SettingsError``, which names the option, when something here cannot be."""
        for option, address in (
            ("--postgresql" if self.one_postgresql else "--web-postgresql", self.web_postgresql),
            ("--signer-postgresql", self.signer_postgresql),
            *(("--rabbitmq", address) for address in self.brokers),
        ):
            found = _ADDRESS.fullmatch(address)
            if not found or not 0 < int(found[2]) < 65536:
                raise SettingsError(command, option, f"{address!r} is not HOST:PORT")
        if not PREFIX.fullmatch(self.prefix):
            problem = f"{self.prefix!r} is not 1 to 20 of a-z, 0-9 and '_', a letter first"
            raise SettingsError(command, "--prefix", problem)
        if self.tls not in get_args(TlsChoice):
            raise SettingsError(command, "--tls", f"is one of {', '.join(get_args(TlsChoice))}")

    @property
    def brokers(self) -> list[str]:
        """The addresses of RabbitMQ."""
        return self.rabbitmq.split(",")

    @property
    def one_postgresql(self) -> bool:
        """Whether both databases are on one server."""
        return self.web_postgresql == self.signer_postgresql

    @property
    def vhost(self) -> str:
        """RabbitMQ's vhost, which is this installation's alone."""
        return self.prefix

    def database(self, side: str) -> str:
        """Return the name of a side's database."""
        return f"{self.prefix}_{side}"

    def account(self, name: str) -> str:
        """Return the name of an account, on whichever server."""
        return f"{self.prefix}_{name}"

    def account_of_approver(self, approver: str) -> str:
        """Return the name of an approver's account.

        Raises:
            SettingsError: it would be too long.
        """
        account = self.account(f"approver_{approver}")
        if len(account) > LONGEST_ACCOUNT:
            room = LONGEST_ACCOUNT - len(self.account("approver_"))
            problem = f"{approver!r} is too long for an account: write at most {room} characters"
            raise SettingsError("httpca setup", "--approver", problem)
        return account


def dump(servers: Servers) -> bytes:
    """Return what ``load`` reads."""
    return msgspec.json.format(msgspec.json.encode(asdict(servers)), indent=2) + b"\n"


def load(folder: Path) -> Servers:
    """Read where the servers of an installation are, from ``DIR/setup/grants``.

    Raises:
        SettingsError: the file is not there or cannot be read.
    """
    file = folder / FILE
    try:
        return msgspec.json.decode(file.read_bytes(), type=Servers)
    except FileNotFoundError as error:
        problem = "there is no such file; `httpca setup DIR --postgresql … --rabbitmq …` makes it"
        raise SettingsError(file, "", problem) from error
    except (OSError, msgspec.DecodeError) as error:
        raise SettingsError(file, "", f"cannot be read: {in_words(error)}") from error
