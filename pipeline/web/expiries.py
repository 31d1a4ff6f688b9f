"""When the certificates end that the web side depends on: for metrics and readiness.

Its message certificates as `web-clock` last told of them (process `web` has none itself), and the
issuing CAs and roots of which the signer has told.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import structlog
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from pipeline.crypto.expiry import Watched
from pipeline.database.engine import Database
from pipeline.web import authorities
from pipeline.web.tables import heartbeats

log = structlog.get_logger(__name__)

NAME = "httpca_certificate_not_after_seconds"


class Ends(StrEnum):
    """How the certificates stand that something ends without."""

    OK = "ok"
    SOON = "end-soon"
    ENDED = "ended"


def known(connection: Connection) -> list[Watched]:
    """Return all certificates whose end is known here."""
    newest = (
        select(heartbeats.c.certificates)
        .where(heartbeats.c.process == "web-clock")
        .order_by(heartbeats.c.at.desc())
        .limit(1)
    )
    told = connection.scalar(newest) or []
    found = [
        Watched(
            one["use"],
            one["owner"],
            one["fingerprint"],
            datetime.fromisoformat(one["not_after"]),
        )
        for one in told
    ]
    for authority in authorities.known(connection):
        issuing, root = authority.chain[0], authority.root
        found.append(Watched("issuing-ca", issuing.subject, issuing.fingerprint, issuing.not_after))
        found.append(Watched("root-ca", root.subject, root.fingerprint, root.not_after))
    return list({(one.use, one.fingerprint): one for one in found}.values())


def ends(certificates: Iterable[Watched], days: Sequence[float], now: datetime) -> Ends:
    """Say whether one of our own certificates or of a CA has ended, or ends within the most of
    ``days``. Those that are only trusted are their owners' to renew."""
    left = [one.not_after - now for one in certificates if one.use != "trusted"]
    if any(span <= timedelta(0) for span in left):
        return Ends.ENDED
    soon = timedelta(days=max(days, default=0.0))
    return Ends.SOON if any(span <= soon for span in left) else Ends.OK


class CertificateEnds(Collector):
    """Tells when each certificate ends, in seconds since 1970."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Describe the metric without asking the database, when it is registered."""
        return [self._family()]

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Look; nothing is said while the database is out of reach."""
        try:
            with self._database.read() as connection:
                found = known(connection)
        except SQLAlchemyError as error:
            log.warning("certificates-not-read", error=type(error).__name__)
            return []
        family = self._family()
        for one in found:
            labels = [one.use, one.owner, one.fingerprint[:16]]
            family.add_metric(labels, one.not_after.timestamp())
        return [family]

    @staticmethod
    def _family() -> GaugeMetricFamily:
        labels = ["use", "owner", "fingerprint"]
        return GaugeMetricFamily(NAME, "When a certificate ends (Unix time).", labels=labels)
