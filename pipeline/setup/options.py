"""What `httpca setup` is told, checked before anything is made."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.crypto import subject
from pipeline.crypto.identity import APPROVER_NAME
from pipeline.crypto.profile_problems import LONGEST_PATH
from pipeline.errors import SettingsError
from pipeline.setup.grants.servers import Servers
from pipeline.signer.keys.uri import KeyUri
from pipeline.stages import Role
from settings.common import EMBEDDED, check_broker, database_url
from settings.load import FILE

COMMAND: Final = "httpca setup"

WEB_DATABASE: Final = "sqlite:///data/web.db"
SIGNER_DATABASE: Final = "sqlite:///data/signer.db"

SIDE_NAMES: Final = frozenset({Role.WEB.value, Role.SIGNER.value})
"""Names that no approver may have, since commands mean a side by them."""

LONGEST_CA_NAME: Final = 53
"""So that ``NAME Issuing CA`` fits into a common name (RFC 5280: 64 characters)."""

_SQLITE: Final = "sqlite:///"


@dataclass(frozen=True, slots=True)
class SetupOptions:
    """What to set up, and where.

    A relative SQLite path is below the folder of its side. ``approver_database`` is how approvers
    reach the signer's database; as the signer itself when empty. ``ca_key`` is ``ec:P-256``,
    ``ec:P-384``, ``ed25519`` or ``rsa:2048`` to ``rsa:4096``; ``ca_path_length`` how many CAs may stand
    below the issuing CA; ``ca_token`` the PKCS #11 URI of the
    issuing key, when that is made in a token, and ``pin_file`` holds the token's PIN (it is asked for
    when there is none). ``development`` makes what `httpca dev` runs: requests without a token, and a
    log for people. With ``servers`` every process gets an account of its own there, and the databases'
    and brokers' URLs come from those.
    """

    directory: Path
    web_database: str = WEB_DATABASE
    signer_database: str = SIGNER_DATABASE
    approver_database: str = ""
    web_broker: str = EMBEDDED
    signer_broker: str = EMBEDDED
    approver_broker: str = EMBEDDED
    ca_key: str = "ec:P-256"
    ca_name: str = "HttpCA"
    ca_path_length: int = 0
    passphrase_file: Path | None = None
    ca_token: str = ""
    pin_file: Path | None = None
    approvers: tuple[str, ...] = ("approver",)
    development: bool = False
    servers: Servers | None = None

    def database_of_approvers(self) -> str:
        """Return the signer database's URL as approvers use it, relative to their own folder."""
        if self.approver_database:
            return self.approver_database
        path = self.signer_database.removeprefix(_SQLITE)
        if path == self.signer_database or path.startswith("/"):
            return self.signer_database
        return f"{_SQLITE}../../signer/{path}"

    @property
    def pin_source(self) -> str:
        """Where the token's PIN comes from, as settings name it."""
        return f"file:{self.pin_file.resolve()}" if self.pin_file else ""

    def check(self) -> None:
        """Check all that can be checked before anything is made.

        Raises:
            SettingsError: names the option, and says what would be right.
        """
        for option, database in (
            ("--web-database", self.web_database),
            ("--signer-database", self.signer_database),
            ("--approver-database", self.database_of_approvers()),
        ):
            try:
                database_url(database, self.directory, FILE)
            except SettingsError as error:
                raise SettingsError(COMMAND, option, error.problem) from None
        for option, broker in (
            ("--web-broker", self.web_broker),
            ("--signer-broker", self.signer_broker),
            ("--approver-broker", self.approver_broker),
        ):
            try:
                check_broker(broker, self.directory, FILE)
            except SettingsError as error:
                raise SettingsError(COMMAND, option, error.problem) from None
        if self.ca_token:
            try:
                KeyUri.parse(self.ca_token)
            except ValueError as error:
                raise SettingsError(COMMAND, "--ca-token", str(error)) from None
        elif self.pin_file:
            raise SettingsError(COMMAND, "--pin-file", "is for a token; say which by --ca-token")
        if self.servers is not None:
            self.servers.check(COMMAND)
        for name in self.approvers:
            if not APPROVER_NAME.fullmatch(name):
                problem = f"{name!r} is no name: 1 to 63 of a-z, 0-9, '.', '_', '-'"
                raise SettingsError(COMMAND, "--approver", problem)
            if name in SIDE_NAMES:
                problem = f"{name!r} means a side; choose another name"
                raise SettingsError(COMMAND, "--approver", problem)
        if not 0 <= self.ca_path_length <= LONGEST_PATH:
            problem = f"found {self.ca_path_length}; allowed are 0 to {LONGEST_PATH} CAs below it"
            raise SettingsError(COMMAND, "--ca-path-length", problem)
        try:
            subject.parse(f"CN={self.ca_name} Issuing CA")
        except ValueError:
            problem = (
                f"a name has 1 to {LONGEST_CA_NAME} visible characters (bytes of UTF-8), and no space"
                " at its ends or beside another"
            )
            raise SettingsError(COMMAND, "--ca-name", problem) from None
