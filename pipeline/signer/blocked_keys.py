"""The block list: keys for which nothing is signed, whoever asks.

It is a table, so that all workers of all hosts have the same one, at once, and each change is in the
audit. Its rows name keys as ``pipeline.crypto.key_lists`` does. What stands here is refused by `policy`
in the transaction that admits it, and by `sign` where that claims it, so that a key which is blocked
while its request waits is not signed either.

There is no revocation in HttpCA yet: until there is, the key of a certificate that is known to be
compromised belongs here (`httpca keys block SERIAL`).
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.crypto import key_lists
from pipeline.crypto.csr import Csr
from pipeline.database.advance import record
from pipeline.database.engine import AnyRow, Database
from pipeline.database.sets import among_given
from pipeline.signer.operate import NotPossible, check_reason
from pipeline.signer.tables import audit, blocked_keys, certificates, submissions, tbs

SIGNER: Final = "signer"
"""Who blocked the keys of the signer's own CAs: the program, at every start."""

OWN_KEY: Final = (
    "The key belongs to this certificate authority itself. Make a key of your own, and a new CSR"
    " with it."
)

_CHUNK: Final = 1000
_NAMED_IN_AUDIT: Final = 20


_BLOCKED: Final = select(blocked_keys).where(among_given(blocked_keys.c.name, "names"))


def reasons(connection: Connection, csrs: Iterable[Csr], own: Collection[str]) -> dict[str, str]:
    """Return, by fingerprint, the sentence to a requester for each CSR whose key is blocked.

    ``own`` are fingerprints of keys of this certificate authority that are in no table.
    """
    by_name = {
        name: csr.key.fingerprint
        for csr in csrs
        for name in key_lists.names(csr.public_key, csr.key.fingerprint)
    }
    if not by_name:
        return {}
    rows = connection.execute(_BLOCKED, {"names": list(by_name)})
    found = {by_name[row.name]: _sentence(row) for row in rows}
    return found | {one: OWN_KEY for one in by_name.values() if one in own}


def _sentence(row: AnyRow) -> str:
    if row.by == SIGNER:
        return OWN_KEY
    return (
        f"The key is on the block list of this certificate authority: {row.reason.rstrip('.')}."
        " Make a new key, and a new CSR with it."
    )


def block(
    database: Database, names: Collection[str], reason: str, operator: str, now: datetime
) -> int:
    """Put keys, by their names, on the block list; return how many were not on it yet.

    ``reason`` is told to whoever asks for such a key.

    Raises:
        NotPossible: the reason cannot be one.
    """
    if not reason.strip():
        raise NotPossible("to block a key needs a reason, which whoever asks for it is told")
    check_reason(reason)
    with database.write() as connection:
        added = _insert(connection, names, reason, operator, now)
        if added:
            record(connection, audit, "keys-blocked", _details(added, operator, reason=reason), now)
    return len(added)


def unblock(
    database: Database, names: Collection[str], reason: str, operator: str, now: datetime
) -> int:
    """Take keys off the block list; return how many were on it.

    Raises:
        NotPossible: the reason cannot be one, or one of them is a key of this CA itself.
    """
    if not reason.strip():
        raise NotPossible("to unblock a key needs a reason, for the audit")
    check_reason(reason)
    removed: list[str] = []
    with database.write() as connection:
        for chunk in _chunks(names):
            statement = delete(blocked_keys).where(blocked_keys.c.name.in_(chunk))
            rows = connection.execute(
                statement.returning(blocked_keys.c.name, blocked_keys.c.by)
            ).all()
            if any(row.by == SIGNER for row in rows):
                raise NotPossible("this is a key of the certificate authority itself")
            removed += [row.name for row in rows]
        if removed:
            details = _details(removed, operator, reason=reason)
            record(connection, audit, "keys-unblocked", details, now)
    return len(removed)


def block_own(connection: Connection, fingerprints: Mapping[str, str], now: datetime) -> None:
    """Block the keys of the signer's own CAs, given with the names of these; for ever, so that the
    key of a CA that is worked with no more is not certified either."""
    for fingerprint, name in fingerprints.items():
        reason = f"it is the key of {name}"
        if _insert(connection, [fingerprint], reason, SIGNER, now):
            details = _details([fingerprint], SIGNER, reason=reason)
            record(connection, audit, "keys-blocked", details, now)


def listed(database: Database, limit: int) -> list[AnyRow]:
    """Return the newest entries of the list, the newest first."""
    order = blocked_keys.c.blocked_at.desc(), blocked_keys.c.name
    with database.read() as connection:
        return list(connection.execute(select(blocked_keys).order_by(*order).limit(limit)))


def find(database: Database, names: Collection[str]) -> list[AnyRow]:
    """Return the entries of these names."""
    found: list[AnyRow] = []
    with database.read() as connection:
        for chunk in _chunks(names):
            wanted = select(blocked_keys).where(blocked_keys.c.name.in_(chunk))
            found += connection.execute(wanted)
    return found


def certified(database: Database, fingerprints: Collection[str], now: datetime) -> list[AnyRow]:
    """Return the certificates (``request_id``, ``serial``) for these keys that are valid still."""
    statement = (
        select(certificates.c.request_id, certificates.c.serial, tbs.c.not_after)
        .join_from(submissions, certificates, certificates.c.request_id == submissions.c.request_id)
        .join(tbs, tbs.c.request_id == certificates.c.request_id)
        .where(tbs.c.not_after >= now)
        .order_by(certificates.c.issued_at)
    )
    found: list[AnyRow] = []
    with database.read() as connection:
        for chunk in _chunks(fingerprints):
            found += connection.execute(statement.where(submissions.c.key_fingerprint.in_(chunk)))
    return found


def certificate_of(database: Database, serial: str) -> bytes | None:
    """Return the certificate (DER) with this serial number (40 hex digits), if there is one."""
    with database.read() as connection:
        return connection.scalar(
            select(certificates.c.certificate).where(certificates.c.serial == serial)
        )


def _insert(
    connection: Connection, names: Collection[str], reason: str, by: str, now: datetime
) -> list[str]:
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(blocked_keys).on_conflict_do_nothing().returning(blocked_keys.c.name)
    added: list[str] = []
    for chunk in _chunks(names):
        rows = [{"name": name, "reason": reason, "by": by, "blocked_at": now} for name in chunk]
        added += connection.scalars(statement, rows)
    return added


def _details(names: Collection[str], operator: str, *, reason: str) -> dict[str, Any]:
    """Return what the audit says: the names of a few keys, or the digest of a whole list."""
    ordered = sorted(names)
    details: dict[str, Any] = {"operator": operator, "reason": reason, "count": len(ordered)}
    if len(ordered) <= _NAMED_IN_AUDIT:
        return details | {"keys": " ".join(ordered)}
    return details | {"sha256": hashlib.sha256("\n".join(ordered).encode()).hexdigest()}


def _chunks(names: Collection[str]) -> Iterable[list[str]]:
    ordered = sorted(names)
    for start in range(0, len(ordered), _CHUNK):
        yield ordered[start : start + _CHUNK]
