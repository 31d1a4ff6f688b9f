"""Check again all that was ever issued, without ever having more than a few hundred in memory.

The walk is along the primary key of append-only tables, each step a statement of its own: so it needs
no long transaction, whoever issues meanwhile. Checking is work for processors (pkilint above all), so
it is spread over several processes.
"""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Select, select

from pipeline.database.engine import AnyRow, Database
from pipeline.database.sets import among
from pipeline.signer.audit.certificate_check import Checked, Checker, Issued
from pipeline.signer.audit.entries import certificate_told
from pipeline.signer.audit.findings import Findings
from pipeline.signer.issuer import Issuer
from pipeline.signer.policy_file import load
from pipeline.signer.tables import (
    audit,
    blocked_keys,
    certificates,
    issuers,
    requests,
    submissions,
    tbs,
)

CHUNK: Final = 200
"""Certificates that are read, and checked by one process, at a time."""

Tell = Callable[[int], None]


@dataclass
class Report(Findings):
    """What was checked, and what was found."""

    checked: int = 0
    certificates: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)

    def add(self, one: Checked, blocked: set[str]) -> None:
        """Add what was found of one certificate."""
        self.checked += 1
        wrong = [(finding.kind, finding.sentence) for finding in one.findings]
        if blocked & set(one.key_names):
            wrong.append(("blocked-key", "its key is on the block list"))
        self.certificates += bool(wrong)
        for kind, sentence in wrong:
            self.by_kind[kind] = self.by_kind.get(kind, 0) + 1
            self.found(kind, f"certificate {one.serial} of request {one.request_id}: {sentence}")


def check_certificates(
    database: Database,
    policy_file: Path | None,
    since: datetime | None,
    processes: int,
    tell: Tell = lambda _checked: None,
) -> Report:
    """Check everything issued (from ``since`` on) again; ``tell`` hears how many were checked.

    Raises:
        SettingsError: the policy is wrong.
    """
    report = Report()
    known = _issuers(database)
    with _Crew(known, policy_file, processes) as crew:
        for done in crew.check(chunks(database, since)):
            blocked = _blocked(database, done)
            for one in done:
                report.add(one, blocked)
            tell(report.checked)
    return report


class _Crew:
    """Those who check: this process, or several others once there is more than one chunk."""

    def __init__(
        self, known: Sequence[tuple[str, bytes, bytes, bytes]], policy: Path | None, processes: int
    ) -> None:
        self._arguments = known, policy
        self._checker = _checker(known, policy)  # so that a wrong policy is an error here
        self._processes = processes
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> "_Crew":
        return self

    def __exit__(self, *_error: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def check(self, chunks: Iterator[list[Issued]]) -> Iterator[list[Checked]]:
        """Check chunk after chunk; at most two for each process are under way."""
        under_way: deque[Future[list[Checked]]] = deque()
        for chunk in chunks:
            if self._processes == 1 or (len(chunk) < CHUNK and not under_way):
                yield [self._checker.check(row) for row in chunk]
                continue
            under_way.append(self._others().submit(_check, chunk))
            if len(under_way) >= 2 * self._processes:
                yield under_way.popleft().result()
        for future in under_way:
            yield future.result()

    def _others(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # Not forked: this process has connections and perhaps threads.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(
                self._processes, context, initializer=_begin, initargs=self._arguments
            )
        return self._pool


_OF_THIS_PROCESS: list[Checker] = []


def _begin(known: Sequence[tuple[str, bytes, bytes, bytes]], policy: Path | None) -> None:
    _OF_THIS_PROCESS[:] = [_checker(known, policy)]


def _check(chunk: list[Issued]) -> list[Checked]:
    return [_OF_THIS_PROCESS[0].check(row) for row in chunk]


def _checker(known: Sequence[tuple[str, bytes, bytes, bytes]], policy: Path | None) -> Checker:
    loaded = {}
    for fingerprint, certificate, chain, root in known:
        with suppress(ValueError):  # one that cannot be read is not known: so says each certificate
            loaded[fingerprint] = Issuer(
                certificate=x509.load_der_x509_certificate(certificate),
                fingerprint=fingerprint,
                chain=_ders(chain),
                root=_ders(root)[0],
                key=None,
            )
    return Checker(loaded, load(policy) if policy is not None else None)


def _ders(pem: bytes) -> tuple[bytes, ...]:
    return tuple(one.public_bytes(Encoding.DER) for one in x509.load_pem_x509_certificates(pem))


def _issuers(database: Database) -> list[tuple[str, bytes, bytes, bytes]]:
    with database.read() as connection:
        rows = connection.execute(
            select(issuers.c.fingerprint, issuers.c.certificate, issuers.c.chain, issuers.c.root)
        )
        return [tuple(row) for row in rows]


def chunks(database: Database, since: datetime | None) -> Iterator[list[Issued]]:
    """Yield what is to be checked, in the order of the requests' ids."""
    statement = _statement(since)
    last: str | None = None
    while True:
        query = statement if last is None else statement.where(certificates.c.request_id > last)
        with database.read() as connection:
            rows = connection.execute(query.limit(CHUNK)).all()
            if not rows:
                return
            ids = [row.request_id for row in rows]
            digest = certificate_told(connection.dialect.name)
            told: dict[str, list[str]] = {one: [] for one in ids}
            entries = select(audit.c.request_id, digest.label("digest")).where(
                among(audit.c.request_id, ids), digest.is_not(None)
            )
            for entry in connection.execute(entries):
                told[entry.request_id].append(entry.digest)
        last = ids[-1]
        yield [_issued(row, told[row.request_id]) for row in rows]


def _statement(since: datetime | None) -> Select[Any]:
    statement = (
        select(
            certificates,
            requests.c.state,
            requests.c.created_at,
            submissions.c.csr,
            submissions.c.profile_name,
            submissions.c.profile,
            submissions.c.requester,
            submissions.c.source,
            tbs.c.serial.label("tbs_serial"),
            tbs.c.issuer.label("tbs_issuer"),
            tbs.c.octets,
            tbs.c.created_at.label("prepared_at"),
        )
        .join_from(certificates, requests, requests.c.id == certificates.c.request_id)
        .join(submissions, submissions.c.request_id == certificates.c.request_id)
        .join(tbs, tbs.c.request_id == certificates.c.request_id, isouter=True)
        .order_by(certificates.c.request_id)
    )
    return statement if since is None else statement.where(certificates.c.issued_at >= since)


def _issued(row: AnyRow, told: Sequence[str]) -> Issued:
    return Issued(
        request_id=row.request_id,
        state=str(row.state),
        serial=(row.serial, row.tbs_serial),
        issuer=(row.issuer, row.tbs_issuer),
        certificate=row.certificate,
        tbs=row.octets,
        prepared_at=row.prepared_at,
        csr=row.csr,
        profile_name=row.profile_name,
        profile=row.profile,
        requester=row.requester,
        source=row.source,
        created_at=row.created_at,
        told=tuple(told),
    )


def _blocked(database: Database, done: Sequence[Checked]) -> set[str]:
    names = sorted({name for one in done for name in one.key_names})
    with database.read() as connection:
        wanted = select(blocked_keys.c.name).where(among(blocked_keys.c.name, names))
        return set(connection.scalars(wanted))
