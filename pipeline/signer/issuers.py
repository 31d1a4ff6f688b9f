"""The issuing CAs that this signer works with."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.messages import IssuerNotice
from pipeline.signer.issuer import Issuer
from pipeline.signer.tables import issuers as table


class Issuers:
    """Issuing CAs by fingerprint; the first one issues what comes new."""

    def __init__(self, issuers: Sequence[Issuer]) -> None:
        if not issuers:
            raise ValueError("a signer needs an issuing CA")
        self.current = issuers[0]
        self._by_fingerprint = {issuer.fingerprint: issuer for issuer in issuers}

    def get(self, fingerprint: str) -> Issuer | None:
        """Return the issuing CA with this fingerprint, if it is still worked with."""
        return self._by_fingerprint.get(fingerprint)

    def notices(self, fingerprints: Iterable[str] | None = None) -> list[IssuerNotice]:
        """Return what the web side should know of these issuing CAs (of all, by default)."""
        wanted = self._by_fingerprint if fingerprints is None else set(fingerprints)
        return [
            IssuerNotice(issuer.fingerprint, list(issuer.chain), issuer.root)
            for fingerprint, issuer in self._by_fingerprint.items()
            if fingerprint in wanted
        ]

    def register(self, connection: Connection, now: datetime) -> None:
        """Note in the database which issuing CAs this signer works with, for approvers to see."""
        dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
        rows = [
            {
                "fingerprint": issuer.fingerprint,
                "certificate": issuer.chain[0],
                "first_seen_at": now,
            }
            for issuer in self._by_fingerprint.values()
        ]
        connection.execute(dialect.insert(table).on_conflict_do_nothing(), rows)
