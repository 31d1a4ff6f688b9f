"""The issuing CAs and their roots, as the signer has told of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Connection, select

from pipeline.crypto.visible import visible
from pipeline.errors import N_, RequesterError
from pipeline.web.formats import load_chain
from pipeline.web.tables import issuers

UNKNOWN: Final = N_("The signer has not told its certificates yet. Try again in a minute.")


@dataclass(frozen=True, slots=True)
class Certificate:
    """What people compare of a CA certificate. ``fingerprint`` is SHA-256 in hex."""

    subject: str
    not_before: datetime
    not_after: datetime
    fingerprint: str
    pem: str


@dataclass(frozen=True, slots=True)
class Authority:
    """An issuing CA: its chain from itself to below the root, and the root."""

    fingerprint: str
    chain: Sequence[Certificate]
    root: Certificate


def known(connection: Connection) -> list[Authority]:
    """Return all issuing CAs, the one heard of last first."""
    statement = select(issuers.c.fingerprint, issuers.c.chain, issuers.c.root).order_by(
        issuers.c.heard_at.desc(), issuers.c.fingerprint
    )
    return [
        Authority(
            row.fingerprint,
            [_certificate(certificate) for certificate in load_chain(row.chain)],
            _certificate(x509.load_pem_x509_certificate(row.root)),
        )
        for row in connection.execute(statement)
    ]


def roots(connection: Connection) -> str:
    """Return the roots as PEM, each once.

    Raises:
        RequesterError: ``ca-unknown``.
    """
    found = dict.fromkeys(authority.root.pem for authority in known(connection))
    if not found:
        raise RequesterError("ca-unknown", UNKNOWN)
    return "".join(found)


def _certificate(certificate: x509.Certificate) -> Certificate:
    return Certificate(
        subject=visible(certificate.subject.rfc4514_string()),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        fingerprint=certificate.fingerprint(SHA256()).hex(),
        pem=certificate.public_bytes(Encoding.PEM).decode("ascii"),
    )
