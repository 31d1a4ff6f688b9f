"""Each process says in its side's database that it lives, and how it finds the broker."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, Table, delete
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.crypto.expiry import Watched
from pipeline.database.engine import Database


def beat(
    database: Database,
    heartbeats: Table,
    process: str,
    now: datetime,
    *,
    broker_ok: bool,
    certificates: Iterable[Watched] = (),
) -> None:
    """Write the heartbeat of ``process``, with the ends of the ``certificates`` that it watches."""
    dialect = sqlite if database.dialect == "sqlite" else postgresql
    told = [
        {
            "use": one.use,
            "owner": one.owner,
            "fingerprint": one.fingerprint,
            "not_after": one.not_after.isoformat(),
        }
        for one in certificates
    ]
    values = {"at": now, "broker_ok": int(broker_ok), "certificates": told or None}
    statement = (
        dialect.insert(heartbeats)
        .values(process=process, **values)
        .on_conflict_do_update(index_elements=[heartbeats.c.process], set_=values)
    )
    with database.write() as connection:
        connection.execute(statement)


def forget(connection: Connection, heartbeats: Table, before: datetime) -> None:
    """Delete the heartbeats of processes that were silent since a time."""
    connection.execute(delete(heartbeats).where(heartbeats.c.at < before))
