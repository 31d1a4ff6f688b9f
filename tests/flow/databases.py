"""Both sides' databases, and what stands in them."""

from typing import Any

from sqlalchemy import select

from pipeline.database.engine import open_database
from pipeline.database.migrate import migrate
from pipeline.signer import tables as signer_tables
from pipeline.web import tables as web_tables


class Databases:
    """The databases of both sides, with their schemas."""

    def __init__(self, web_url: str, signer_url: str) -> None:
        self.web_database = open_database(web_url)
        self.signer_database = open_database(signer_url)
        migrate(self.web_database, "web")
        migrate(self.signer_database, "signer")

    def close(self) -> None:
        """Close the databases."""
        self.web_database.dispose()
        self.signer_database.dispose()

    def web_row(self, request_id: str) -> Any:
        """Return the web side's row of a request."""
        return self._row(self.web_database, web_tables.requests, request_id)

    def signer_row(self, request_id: str) -> Any:
        """Return the signer's row of a request."""
        return self._row(self.signer_database, signer_tables.requests, request_id)

    def states(self, request_id: str) -> tuple[str, str | None]:
        """Return the request's state on the web side and at the signer."""
        signer = self.signer_row(request_id)
        return self.web_row(request_id).state, signer.state if signer else None

    def certificate(self, request_id: str) -> bytes:
        """Return the certificate, which must be the same on both sides."""
        mine = self._certificate(self.web_database, web_tables.certificates, request_id)
        theirs = self._certificate(self.signer_database, signer_tables.certificates, request_id)
        assert mine == theirs
        return mine

    def snapshot(self) -> dict[str, list[Any]]:
        """Return all that a repeated message must not change: state, bytes, decisions, audit."""
        found: dict[str, list[Any]] = {}
        for name, database, tables in (
            ("web", self.web_database, web_tables),
            ("signer", self.signer_database, signer_tables),
        ):
            with database.read() as connection:
                requests = tables.requests
                found[f"{name}.requests"] = [
                    tuple(row)
                    for row in connection.execute(
                        select(
                            requests.c.id,
                            requests.c.state,
                            requests.c.revision,
                            requests.c.reason,
                            requests.c.changed_at,
                        ).order_by(requests.c.id)
                    )
                ]
                for table in (tables.submissions, tables.certificates):
                    found[f"{name}.{table.name}"] = [
                        tuple(row)
                        for row in connection.execute(select(table).order_by(table.c.request_id))
                    ]
                audit = tables.audit
                found[f"{name}.audit"] = [
                    tuple(row)
                    for row in connection.execute(
                        select(audit.c.event, audit.c.request_id, audit.c.details)
                        .where(audit.c.event == "state-changed")
                        .order_by(audit.c.id)
                    )
                ]
        with self.signer_database.read() as connection:
            table = signer_tables.decisions
            found["decisions"] = [
                tuple(row) for row in connection.execute(select(table).order_by(table.c.id))
            ]
        return found

    def audited(self, database: Any, audit: Any, request_id: str) -> list[tuple[Any, Any]]:
        """Return a request's state changes, as (from, to), from the audit table."""
        with database.read() as connection:
            entries = connection.scalars(
                select(audit.c.details)
                .where(audit.c.request_id == request_id, audit.c.event == "state-changed")
                .order_by(audit.c.id)
            ).all()
        return [(entry["from"], entry["to"]) for entry in entries]

    def _row(self, database: Any, table: Any, request_id: str) -> Any:
        with database.read() as connection:
            return connection.execute(select(table).where(table.c.id == request_id)).one_or_none()

    def _certificate(self, database: Any, table: Any, request_id: str) -> bytes:
        with database.read() as connection:
            octets: bytes = connection.scalars(
                select(table.c.certificate).where(table.c.request_id == request_id)
            ).one()
        return octets
