"""The web side on a SQLite database of its own, and what the signer would tell it."""

import shutil
import ssl
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from pipeline.crypto import checkpoint
from pipeline.crypto import csr as csrs
from pipeline.database.advance import Move, advance
from pipeline.database.engine import Database, open_database
from pipeline.database.heartbeat import beat
from pipeline.signer import authority
from pipeline.states import FINAL, State
from pipeline.web import locales, tables, tokens
from pipeline.web.app import create_app
from pipeline.web.intake import Intake
from pipeline.web.site import KEY, Site
from pipeline.web.submit import Wish, submit
from settings.web import Http, Limits, WebSettings
from tests import factories


@cache
def catalogues() -> Path:
    """Return a folder with our catalogues, compiled from what is in the repository now."""
    folder = Path(mkdtemp(prefix="httpca-catalogues-", dir=factories.write("").parent))
    for source in locales.DIRECTORY.glob("*/LC_MESSAGES/messages.po"):
        compiled = (folder / source.relative_to(locales.DIRECTORY)).with_suffix(".mo")
        compiled.parent.mkdir(parents=True)
        with source.open("rb") as reading, compiled.open("wb") as writing:
            write_mo(writing, read_po(reading))
    return folder


@dataclass
class Website:
    """A web side whose clock a test moves. ``http`` and ``limits`` are those tables of settings."""

    folder: Path
    http: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)
    translations: Path = field(default_factory=catalogues)
    moment: datetime = factories.NOW + timedelta(hours=1)

    def __post_init__(self) -> None:
        self.settings = WebSettings(
            role="web",
            database=f"sqlite:///{self.folder}/web.sqlite",
            directory=str(self.folder),
            http=Http(**{"anonymous": True, **self.http}),
            limits=Limits(**self.limits),
        )
        self.database: Database = open_database(self.settings.database)
        with self.database.write() as connection:
            tables.metadata.create_all(connection)
        self.app: Flask = create_app(
            self.settings, self.database, lambda: self.moment, self.translations
        )
        self.site: Site = self.app.extensions[KEY]
        self.beat()

    def close(self) -> None:
        """End its thread and close its database."""
        self.site.notifier.close()
        self.database.dispose()

    def client(self, token: str | None = None) -> Any:
        """Return a client, a browser of its own; with a token it sends that."""
        client: FlaskClient = self.app.test_client()
        if token is not None:
            client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
        return client

    def token(self, name: str) -> str:
        """Return a new token of this requester."""
        return tokens.create(self.database, name, "root", self.moment)

    def submit(
        self,
        *names: str,
        requester: str | None = None,
        profile: str = "server",
        comment: str = "",
        csr: bytes | None = None,
    ) -> str:
        """Submit a CSR for these names; return the request's id."""
        octets = csr or factories.csr(names or ("DNS:www.example.test",))
        wish = Wish(octets, profile, "api", requester, comment)
        self.moment += timedelta(seconds=1)
        return submit(Intake(self.database), self.settings, wish, lambda: self.moment).id

    def row(self, request_id: str) -> Any:
        """Return a request's row."""
        with self.database.read() as connection:
            statement = select(tables.requests).where(tables.requests.c.id == request_id)
            return connection.execute(statement).one()

    def move(self, request_id: str, state: State, reason: str = "") -> None:
        """Let the signer tell that the request is in this state."""
        row = self.row(request_id)
        values = {"reason": reason}
        if state in FINAL:
            values["next_attempt_at"] = None  # type: ignore[assignment]
        move = Move(request_id, State(row.state), state, row.revision, values=values)
        with self.database.write() as connection:
            assert advance(connection, tables.ledger, "deliver", [move], self.moment)

    def relay(self, request_id: str) -> None:
        """Let `relay` have sent the request to the signer."""
        move = Move(request_id, State.SUBMITTED, State.RELAYED, 0, 0)
        with self.database.write() as connection:
            assert advance(connection, tables.ledger, "relay", [move], self.moment)

    def introduce(self) -> None:
        """Let the signer tell of its issuing CA."""
        issuer = factories.issuer()
        values = {
            "fingerprint": issuer.fingerprint,
            "chain": "".join(_pem(one) for one in issuer.chain).encode(),
            "root": _pem(issuer.root).encode(),
            "heard_at": self.moment,
        }
        with self.database.write() as connection:
            known = connection.execute(select(tables.issuers)).first()
            if known is None:
                connection.execute(tables.issuers.insert().values(values))

    def checkpoint(self, size: int, extends: int | None = None) -> str:
        """Let the signer tell a signed head of its audit; return it."""
        key = Ed25519PrivateKey.from_private_bytes(bytes(32))
        signed = checkpoint.sign(size, bytes(32), key)
        values = {
            "origin": signed.checkpoint.origin,
            "size": size,
            "root": signed.root.hex(),
            "extends": extends,
            "note": signed.note,
            "key": str(checkpoint.verifier(key.public_key())),
            "received_at": self.moment,
        }
        with self.database.write() as connection:
            connection.execute(tables.audit_checkpoints.insert().values(values))
        return signed.note

    def issue(self, request_id: str) -> bytes:
        """Let the signer tell of the certificate that it made; return that (DER)."""
        self.introduce()
        issuer = factories.issuer()
        with self.database.read() as connection:
            submission = tables.submissions
            statement = select(submission.c.csr).where(submission.c.request_id == request_id)
            csr = csrs.read(connection.scalars(statement).one())
        profile = factories.profile(names=["dns", "ip", "email", "uri"], wildcards=True, idn=True)
        prepared = authority.prepare(
            csr, profile, issuer, factories.NOW + timedelta(hours=1), factories.new_serial()
        )
        der = authority.assemble(prepared.tbs, authority.sign(prepared.tbs, issuer))
        values = {
            "request_id": request_id,
            "certificate": der,
            "issuer": issuer.fingerprint,
            "received_at": self.moment,
        }
        with self.database.write() as connection:
            connection.execute(tables.certificates.insert().values(values))
        self.move(request_id, State.ISSUED)
        return der

    def beat(self, *, broker_ok: bool = True) -> None:
        """Let the clock say that it lives."""
        beat(self.database, tables.heartbeats, "web-clock", self.moment, broker_ok=broker_ok)

    def break_database(self) -> None:
        """Take the database away."""
        self.database.dispose()
        for file in self.folder.glob("web.sqlite*"):
            file.unlink()
        shutil.rmtree(self.folder / "web.sqlite", ignore_errors=True)
        (self.folder / "web.sqlite").mkdir()


def _pem(der: bytes) -> str:
    return ssl.DER_cert_to_PEM_cert(der)
