"""Step 2 of issuing: what will be signed, and that it will be, is on record before a CA key is used.

`policy` makes the TBS of what may be signed at once, and stores it with the request; ``begin_claimed``
does so for everything else that `sign` claims.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, NamedTuple

import structlog
from sqlalchemy import Connection, String, Text, cast, literal, select

from pipeline.crypto.csr import Csr
from pipeline.crypto.csr import read as read_csr
from pipeline.crypto.profile import Profile
from pipeline.database.advance import record
from pipeline.database.sets import among_given, insert_new, still
from pipeline.errors import ItemFailed
from pipeline.signer import authority, blocked_keys
from pipeline.signer.authority import Prepared
from pipeline.signer.examine import Finding
from pipeline.signer.issuer import Issuer
from pipeline.signer.lint import LINTER
from pipeline.signer.side import SignerSide
from pipeline.signer.tables import audit, requests, submissions, tbs
from pipeline.states import State

log = structlog.get_logger(__name__)


class Begun(NamedTuple):
    """CSR and profile of a request, and the TBS that this process has made of them, if it has."""

    csr: Csr
    profile: Profile
    made: Prepared | None = None


class Claimed(NamedTuple):
    """A request that this worker holds. ``attempts`` are those before this one."""

    id: str
    state: State
    revision: int
    attempts: int


def make_tbs(
    side: SignerSide, request_id: str, csr: Csr, profile: Profile, issuer: Issuer, now: datetime
) -> Prepared:
    """Return the TBS for a request, which would make a good certificate.

    Raises:
        ItemFailed: there can be none.
    """
    serial = authority.new_serial(side.random)
    made = authority.prepare(csr, profile, issuer, now, serial)
    LINTER.ensure_clean(made, profile, every=side.settings.lint == "every")
    if made.not_after == issuer.not_after:
        log.warning("validity-cut-short", request_id=request_id, issuer=issuer.name)
    return made


def begin_safely(side: SignerSide, finding: Finding, now: datetime) -> Finding:
    """Make the TBS of what may be signed at once, unless that fails: then `sign` tries, and judges."""
    csr, profile = finding.csr, finding.profile
    if finding.state is not State.WAITING_FOR_SIGNATURE or csr is None or profile is None:
        return finding
    try:
        issuer = side.issuers.chosen(profile.issuer)
        made = make_tbs(side, finding.submission.id, csr, profile, issuer, now)
    except Exception as error:  # noqa: BLE001 - whatever it is, it harms no other request
        log.warning("not-begun", request_id=finding.submission.id, error=type(error).__name__)
        return finding
    return replace(finding, made=made)


def tbs_row(request_id: str, made: Prepared, now: datetime) -> dict[str, Any]:
    """Return what is stored of a TBS."""
    return {
        "request_id": request_id,
        "serial": f"{made.serial:040x}",
        "issuer": made.issuer.fingerprint,
        "not_before": made.not_before,
        "not_after": made.not_after,
        "octets": made.tbs,
        "created_at": now,
    }


def note_use_of_keys(
    connection: Connection, first: Sequence[str], again: Sequence[str], now: datetime
) -> None:
    """No audit entry, no action: what a key is about to sign is on record before it does.

    Each issuance says issuer and serial itself, so that one entry for each issuer and batch is enough;
    ``again`` counts what may have been signed before, by a worker that then died.
    """
    for issuer in sorted({*first, *again}):
        counts = {"count": first.count(issuer), "again": again.count(issuer)}
        record(connection, audit, "signing-begun", {"issuer": issuer, **counts}, now)


def issuer_of(side: SignerSide, fingerprint: str) -> Issuer:
    """Return the issuing CA with this fingerprint.

    Raises:
        ItemFailed: it is worked with no more.
    """
    issuer = side.issuers.get(fingerprint)
    if issuer is None:
        raise ItemFailed(f"the issuing CA {fingerprint[:16]}... is no longer here")
    return issuer


# Statements are built once: to build one costs more than to run it.
_ASKED: Final = (
    select(
        submissions.c.request_id,
        submissions.c.csr,
        cast(submissions.c.profile, Text).label("profile"),
        submissions.c.issuer,
        tbs.c.serial,
        tbs.c.issuer.label("tbs_issuer"),
    )
    .join_from(submissions, tbs, tbs.c.request_id == submissions.c.request_id, isouter=True)
    .where(among_given(submissions.c.request_id, "ids"))
)
WANTED: Final = (
    among_given(requests.c.id, "ids"),
    still(requests.c.state, literal(State.WAITING_FOR_SIGNATURE, String)),
)
"""The condition that requests, given by their ``ids``, still wait for their signature."""

_STILL_WAITING: Final = select(requests.c.id).where(*WANTED).with_for_update(read=True)


def begin_claimed(side: SignerSide, ids: Sequence[str]) -> dict[str, Begun]:
    """Commit the TBS of each request that has none yet; the first stored one wins. What would be no
    good certificate, or is for a blocked key, gets no TBS.

    Raises:
        ItemFailed: one of them can get none.
    """
    if not ids:
        return {}
    with side.database.read() as connection:
        rows = connection.execute(_ASKED, {"ids": ids}).all()
        begun = {
            row.request_id: Begun(read_csr(row.csr, verified=True), Profile.from_text(row.profile))
            for row in rows
        }
        asked = [one.csr for one in begun.values()]
        blocked = blocked_keys.reasons(connection, asked, side.trust.keys())
    now = side.now()
    for csr in asked:
        if csr.key.fingerprint in blocked:
            raise ItemFailed(blocked[csr.key.fingerprint])
    fresh: list[dict[str, Any]] = []
    for row in rows:
        if row.serial is not None:
            continue
        csr, profile, _ = begun[row.request_id]
        issuer = issuer_of(side, row.issuer)
        made = make_tbs(side, row.request_id, csr, profile, issuer, now)
        begun[row.request_id] = Begun(csr, profile, made)
        fresh.append(tbs_row(row.request_id, made, now))
    with side.database.write() as connection:
        waiting = _still_waiting(connection, [row["request_id"] for row in fresh]) if fresh else ()
        wanted = [row for row in fresh if row["request_id"] in waiting]
        insert_new(connection, tbs, wanted, tbs.c.request_id)
        again = [row.tbs_issuer for row in rows if row.serial is not None]
        note_use_of_keys(connection, [row["issuer"] for row in wanted], again, now)
    return begun


def _still_waiting(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Keep operators from rejecting a request while its TBS is stored: signing begins with that."""
    return set(connection.scalars(_STILL_WAITING, {"ids": ids}))
