"""A signer's database that is put back to what it was, and what is done about it."""

from typing import Any

from sqlalchemy import delete, insert, select

from pipeline.database.engine import Database
from pipeline.run.signer_side import open_signer_side
from pipeline.signer import operate
from pipeline.signer import tables as signer_tables
from pipeline.signer.reconcile import reconcile
from pipeline.web.export import lines
from tests.flow.audit_log import lock, unlock
from tests.flow.world import World

Backup = dict[str, list[dict[str, Any]]]


def back_up(database: Database) -> Backup:
    with database.read() as connection:
        return {
            table.name: [dict(row._mapping) for row in connection.execute(select(table))]
            for table in signer_tables.metadata.sorted_tables
        }


def restore(database: Database, backup: Backup) -> None:
    with database.write() as connection:
        unlock(connection)
        for table in reversed(signer_tables.metadata.sorted_tables):
            connection.execute(delete(table))
        for table in signer_tables.metadata.sorted_tables:
            if backup[table.name]:
                connection.execute(insert(table), backup[table.name])
        lock(connection)


def is_suspended(world: World) -> bool:
    with world.signer_database.read() as connection:
        return operate.suspended(connection)


def start_signer(world: World) -> None:
    """Open the signer side as its worker does when it starts."""
    open_signer_side(
        world.signer.settings,
        world.directory / "signer",
        world.signer_database,
        signs=True,
        exchange=world.exchange,
        clock=world.time,
    )


def learn(world: World) -> dict[str, int]:
    exported = list(lines(world.web_database))
    issuers = world.signer.issuers
    done = reconcile(world.signer_database, issuers, exported, "operator", world.time())
    operate.resume_after_restore(world.signer_database, "operator", world.time())
    return dict(done)


def issued_names(world: World) -> set[tuple[Any, ...]]:
    """Return what approvers are told of names that were issued."""
    with world.signer_database.read() as connection:
        return {tuple(row) for row in connection.execute(select(signer_tables.issued_names))}


def settle(world: World) -> None:
    for _ in range(8):
        world.time.move(minutes=30)
        world.sweep()
