"""What is made once per process and used by every simulation in it.

Keys and settings of both sides, policies, CSRs, and two databases in memory that are set back to
their first contents before each run. Triggers in them note whatever was ever committed, and refuse
what must never be done, whoever does it.
"""

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import msgspec
import structlog

from pipeline.crypto import identity
from pipeline.crypto.identity import Identity
from pipeline.crypto.trust import Trust
from pipeline.database.engine import open_database
from pipeline.database.migrate import Side, migrate
from pipeline.setup.directory import create
from pipeline.setup.options import SetupOptions
from pipeline.signer.issuer import Issuer, load_issuer
from pipeline.signer.issuers import Issuers
from pipeline.signer.keys import file as key_file
from pipeline.signer.policy import Policy
from settings.signer import SignerSettings, load_signer
from settings.web import WebSettings, load_web
from tests import factories

FIRST = datetime(2026, 3, 1, 6, 0, tzinfo=UTC)
"""When everything was set up; simulations begin ten days later."""

APPROVERS = ("anna", "bert")
BATCH, ATTEMPTS = 3, 2
"""Small, so that batches are full and one wakes the next, and what fails fails soon."""

_PROFILES = """
[profiles.server]
validity = "90d"
backdate = "5m"
keys = ["ec:P-256"]
key_usage = ["digital_signature"]
extended_key_usage = ["server_auth"]
names = ["dns"]
"""
_RULE = '[[rules]]\nname = "{}"\nevery_name = ["{}"]\naction = "{}"\n'
_REJECT = 'reason = "Names like this are never issued."\n'
_FIRST_RULES = (
    _RULE.format("never", "*.invalid", "reject") + _REJECT,
    _RULE.format("two eyes more", "*.two.example.com", "approve") + "quorum = 2\n",
)
_POLICIES = (
    ("approve", (*_FIRST_RULES, _RULE.format("at once", "*.test", "sign"))),
    ("approve", (*_FIRST_RULES, _RULE.format("also these", "*.test", "approve"))),
    ("reject", (*_FIRST_RULES, _RULE.format("now these", "*.example.com", "sign"))),
    ("reject", (_RULE.format("not these", "*.test", "reject") + _REJECT,)),
    ("approve", (_RULE.format("two for all", "*.test", "approve") + "quorum = 2\n",)),
)

_HISTORY = """
CREATE TABLE seen_states (
    n INTEGER PRIMARY KEY, id TEXT, source TEXT, target TEXT, revision INTEGER);
CREATE TRIGGER seen_new AFTER INSERT ON requests BEGIN
    INSERT INTO seen_states (id, source, target, revision)
    VALUES (NEW.id, NULL, NEW.state, NEW.revision); END;
CREATE TRIGGER seen_change AFTER UPDATE ON requests
    WHEN OLD.state <> NEW.state OR OLD.revision <> NEW.revision OR OLD.id <> NEW.id BEGIN
    INSERT INTO seen_states (id, source, target, revision)
    VALUES (NEW.id, OLD.state, NEW.state, NEW.revision); END;
CREATE TABLE seen_certificates (n INTEGER PRIMARY KEY, id TEXT, octets BLOB);
CREATE TRIGGER seen_certificate AFTER INSERT ON certificates BEGIN
    INSERT INTO seen_certificates (id, octets) VALUES (NEW.request_id, NEW.certificate); END;
CREATE TRIGGER seen_other_certificate AFTER UPDATE ON certificates BEGIN
    INSERT INTO seen_certificates (id, octets) VALUES (NEW.request_id, NEW.certificate); END;
"""
_NEVER = """
CREATE TRIGGER never_{verb}_{table} BEFORE {verb} ON {table} BEGIN
    SELECT RAISE(ABORT, 'simulation: {table} are never changed'); END;
"""
_NEVER_DELETED = ("requests", "submissions", "certificates", "audit")
_NEVER_UPDATED = ("submissions", "audit")
_SIGNER_NEVER = ("decisions", "tbs", "issuers")


class Forever:
    """A database in memory, its first contents, and a connection that looks into it."""

    def __init__(self, side: Side) -> None:
        name = f"file:/simulation-{side}?vfs=memdb"
        self.look = sqlite3.connect(
            name, timeout=0, uri=True, isolation_level=None, check_same_thread=False
        )
        self.database = open_database(f"sqlite:///{name}&uri=true")
        migrate(self.database, side)
        only_signer = _SIGNER_NEVER if side == "signer" else ()
        self.look.executescript(_HISTORY)
        for table in (*_NEVER_DELETED, *only_signer):
            self.look.executescript(_NEVER.format(verb="DELETE", table=table))
        for table in (*_NEVER_UPDATED, *only_signer):
            self.look.executescript(_NEVER.format(verb="UPDATE", table=table))
        self._first: sqlite3.Connection | None = None

    def begin(self) -> None:
        """Set the contents back to what they were when this was first called."""
        if self._first is None:
            self._first = sqlite3.connect(":memory:", check_same_thread=False)
            self.look.backup(self._first)
        else:
            self._first.backup(self.look)

    def ask(self, statement: str, *values: Any) -> list[Any]:
        """Look at what is committed."""
        return self.look.execute(statement, values).fetchall()


@dataclass(frozen=True)
class Template:
    """Everything that simulations share."""

    web: Forever
    signer: Forever
    web_settings: WebSettings
    signer_settings: SignerSettings
    identities: dict[str, Identity]
    web_trust: Trust
    signer_trust: Trust
    issuer: Issuer
    policies: tuple[Policy, ...]

    def begin(self) -> None:
        """Set both databases back."""
        self.web.begin()
        self.signer.begin()


@cache
def template() -> Template:
    """Return this process's template."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    directory = Path(_folder().name, "httpca")
    options = SetupOptions(directory=directory, approvers=APPROVERS, development=True)
    create(options, lambda: FIRST)
    folder = directory / "signer" / "ca"
    key = key_file.load(folder / "issuing.key", None)
    issuer = load_issuer(folder / "issuing.pem", folder / "root.pem", key, FIRST)
    signer = Forever("signer")
    with signer.database.write() as connection:
        Issuers([issuer]).register(connection, FIRST)
    return Template(
        web=Forever("web"),
        signer=signer,
        web_settings=_small(load_web(directory / "web")),
        signer_settings=_soon(_small(load_signer(directory / "signer"))),
        identities=_identities(directory),
        web_trust=Trust(directory / "web" / "trusted"),
        signer_trust=Trust(directory / "signer" / "trusted"),
        issuer=issuer,
        policies=tuple(
            factories.policy(f'default = "{default}"\n' + _PROFILES + "".join(rules))
            for default, rules in _POLICIES
        ),
    )


_S = TypeVar("_S", WebSettings, SignerSettings)


def _small(settings: _S) -> _S:
    worker = msgspec.structs.replace(settings.worker, batch=BATCH)
    return msgspec.structs.replace(settings, worker=worker)


def _soon(settings: SignerSettings) -> SignerSettings:
    worker = msgspec.structs.replace(settings.worker, max_attempts=ATTEMPTS)
    return msgspec.structs.replace(settings, worker=worker)


@cache
def csr(name: str) -> bytes:
    """Return a CSR for one name, always the same."""
    return factories.csr(names=[f"DNS:{name}"])


@cache
def _folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="httpca-simulation-", ignore_cleanup_errors=True)


def _identities(directory: Path) -> dict[str, Identity]:
    folders = {side: directory / side for side in ("web", "signer")}
    folders |= {name: directory / "approvers" / name for name in APPROVERS}
    return {
        name: identity.load(folder / "message.pem", folder / "message.key")
        for name, folder in folders.items()
    }
