"""Every certificate has its entry in the log, and every entry that tells of one has its certificate."""

from hashlib import sha256

import msgspec
from sqlalchemy import Connection, and_, select

from pipeline.signer.audit.entries import certificate_told, columns
from pipeline.signer.audit.findings import Report
from pipeline.signer.tables import audit, certificates


def verify(connection: Connection, report: Report) -> None:
    """Compare the certificates with the entries that tell of them, one by one."""
    told = certificate_told(connection.dialect.name)
    entries = (
        select(audit.c.id, audit.c.request_id, told.label("digest"), certificates.c.certificate)
        .join_from(
            audit, certificates, certificates.c.request_id == audit.c.request_id, isouter=True
        )
        .where(told.is_not(None))
        .execution_options(yield_per=1000)
    )
    for row in connection.execute(entries):
        if row.certificate is None:
            report.found(
                "certificate-removed",
                f"entry {row.id} tells of a certificate for request {row.request_id}; it is gone",
            )
        elif _digest(row.certificate) != row.digest:
            report.found(
                "certificate-changed",
                f"the certificate of request {row.request_id} is not the one of entry {row.id}",
            )
        else:
            report.certificates += 1
    same = and_(audit.c.request_id == certificates.c.request_id, told.is_not(None))
    unknown = (
        select(certificates.c.request_id, certificates.c.serial)
        .join_from(certificates, audit, same, isouter=True)
        .where(audit.c.id.is_(None))
    )
    for request_id, serial in connection.execute(unknown):
        report.found(
            "certificate-inserted",
            f"no entry tells of the certificate {serial} of request {request_id}",
        )


def _digest(certificate: object) -> str | None:
    """Return the SHA-256 of a certificate; None for what is no octets, which SQLite keeps, too."""
    return sha256(certificate).hexdigest() if isinstance(certificate, bytes) else None


class _Fork(msgspec.Struct):
    """What an entry says of a checkpoint that was not continued."""

    kept_size: int
    kept_root: str


def forks(connection: Connection) -> list[str]:
    """Return what the log says of checkpoints that it did not continue."""
    query = select(*columns(connection.dialect.name)).where(audit.c.event == "audit-forked")
    found = []
    for row in connection.execute(query.order_by(audit.c.id)):
        try:
            fork = msgspec.json.decode(row.text, type=_Fork)
        except msgspec.DecodeError:
            continue  # it was changed, which was found already
        moment = (row.moment or "never")[:19].replace("T", " ")  # PostgreSQL writes no infinity
        found.append(
            f"{moment} UTC: the log did not continue the checkpoint of size "
            f"{fork.kept_size}, root {fork.kept_root}"
        )
    return found
