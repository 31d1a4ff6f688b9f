"""The issuing CAs that this signer works with."""

import ssl
from collections.abc import Iterable, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.crypto import key_lists
from pipeline.database.advance import record
from pipeline.messages import IssuerNotice
from pipeline.signer import blocked_keys
from pipeline.signer.issuer import Issuer
from pipeline.signer.tables import audit
from pipeline.signer.tables import issuers as table


class Issuers:
    """Issuing CAs by fingerprint and by name.

    ``current`` issues what comes new: the first that is not retiring.
    """

    def __init__(self, issuers: Sequence[Issuer]) -> None:
        active = [issuer for issuer in issuers if not issuer.retiring]
        if not active:
            raise ValueError("a signer needs an issuing CA that is not retiring")
        self.current = active[0]
        self._active = {issuer.name: issuer for issuer in active}
        self._by_fingerprint = {issuer.fingerprint: issuer for issuer in issuers}
        if len(self._by_fingerprint) < len(issuers):
            raise ValueError("one certificate is used for two issuing CAs")

    def get(self, fingerprint: str) -> Issuer | None:
        """Return the issuing CA with this fingerprint, if it is still worked with."""
        return self._by_fingerprint.get(fingerprint)

    def chosen(self, name: str) -> Issuer:
        """Return the issuing CA for something new, as a profile names it; "" names none.

        Raises:
            ValueError: there is none of this name that takes anything new.
        """
        if not name:
            return self.current
        if name not in self._active:
            raise ValueError(f"there is no issuing CA {name!r} that takes what is new")
        return self._active[name]

    def active(self) -> tuple[Issuer, ...]:
        """Return those that take what is new, in the order of the settings."""
        return tuple(self._active.values())

    def all(self) -> tuple[Issuer, ...]:
        """Return all that are worked with, in the order of the settings."""
        return tuple(self._by_fingerprint.values())

    def notices(self) -> list[IssuerNotice]:
        """Return what the web side should know of all that are worked with."""
        return [_notice(issuer) for issuer in self._by_fingerprint.values()]

    def notices_of(self, connection: Connection, fingerprints: Iterable[str]) -> list[IssuerNotice]:
        """Return the notices of these issuing CAs, also of those that are worked with no more."""
        wanted = sorted(set(fingerprints))
        loaded = [self._by_fingerprint.get(one) for one in wanted]
        found = [_notice(issuer) for issuer in loaded if issuer is not None]
        gone = [one for one in wanted if one not in self._by_fingerprint]
        if gone:
            rows = connection.execute(select(table).where(table.c.fingerprint.in_(gone)))
            found += [
                IssuerNotice(row.fingerprint, _ders(row.chain), _ders(row.root)[0]) for row in rows
            ]
        return found

    def certificate(
        self, connection: Connection, fingerprint: str | None
    ) -> x509.Certificate | None:
        """Return the certificate of an issuing CA that is, or ever was, worked with."""
        loaded = self._by_fingerprint.get(fingerprint or "")
        if loaded is not None:
            return loaded.certificate
        der = connection.scalar(
            select(table.c.certificate).where(table.c.fingerprint == fingerprint)
        )
        return x509.load_der_x509_certificate(der) if der is not None else None

    def register(self, connection: Connection, now: datetime) -> None:
        """Note in the database which issuing CAs this signer works with: for approvers to see, and
        for `transmit` to tell of when they are worked with no more. Their keys are never certified.
        The audit has each when it comes for the first time."""
        dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
        rows = [
            {
                "fingerprint": issuer.fingerprint,
                "certificate": issuer.chain[0],
                "chain": _pem(issuer.chain),
                "root": _pem([issuer.root]),
                "first_seen_at": now,
            }
            for issuer in self._by_fingerprint.values()
        ]
        fresh = dialect.insert(table).on_conflict_do_nothing().returning(table.c.fingerprint)
        for fingerprint in connection.scalars(fresh, rows).all():
            details = {"issuer": fingerprint, "name": self._by_fingerprint[fingerprint].name}
            record(connection, audit, "issuer-first-seen", details, now)
        own = {}
        for issuer in self._by_fingerprint.values():
            for der in (*issuer.chain, issuer.root):
                certificate = x509.load_der_x509_certificate(der)
                name = certificate.subject.rfc4514_string()
                own[key_lists.fingerprint(certificate.public_key())] = name
        blocked_keys.block_own(connection, own, now)


def _notice(issuer: Issuer) -> IssuerNotice:
    return IssuerNotice(issuer.fingerprint, list(issuer.chain), issuer.root)


def _pem(certificates: Iterable[bytes]) -> bytes:
    return "".join(ssl.DER_cert_to_PEM_cert(der) for der in certificates).encode("ascii")


def _ders(pem: bytes) -> list[bytes]:
    found = x509.load_pem_x509_certificates(pem)
    return [certificate.public_bytes(Encoding.DER) for certificate in found]
