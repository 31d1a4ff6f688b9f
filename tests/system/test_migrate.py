"""Migrations on a real PostgreSQL make the schema of the code, also when several run at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, inspect, text

from pipeline.database.engine import Database, open_database
from pipeline.database.migrate import Side, current, migrate
from pipeline.signer.tables import VIEW_DEFINITIONS
from tests.servers import PostgreSQL

SIDES: list[Side] = ["web", "signer"]


def metadata_of(side: Side) -> MetaData:
    found = import_module(f"pipeline.{side}.tables").metadata
    assert isinstance(found, MetaData)
    return found


@pytest.fixture
def databases(postgresql: PostgreSQL) -> Iterator[tuple[Database, Database]]:
    """Two empty databases: one to be migrated, one to be made from the code."""
    names = ("test_migrated", "test_created")
    opened = [open_database(postgresql.create_database(name)) for name in names]
    yield opened[0], opened[1]
    for database, name in zip(opened, names, strict=True):
        database.dispose()
        postgresql.drop_database(name)


def columns(database: Database) -> set[tuple[str, ...]]:
    """Return every column of every table: type, whether it may be null, default."""
    query = """
        SELECT table_name, column_name, data_type, character_maximum_length::text, is_nullable,
               column_default, is_identity
        FROM information_schema.columns
             JOIN information_schema.tables USING (table_schema, table_name)
        WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
              AND table_name != 'alembic_version'
    """
    with database.read() as connection:
        return {tuple(row) for row in connection.execute(text(query))}


def indexes(database: Database) -> dict[str, str]:
    """Return the definition of every index, with its condition."""
    query = """
        SELECT indexname, indexdef FROM pg_indexes
        WHERE schemaname = 'public' AND tablename != 'alembic_version'
    """
    with database.read() as connection:
        return {row.indexname: row.indexdef for row in connection.execute(text(query))}


@pytest.mark.parametrize("side", SIDES)
def test_a_migrated_schema_is_the_one_in_the_code(
    databases: tuple[Database, Database], side: Side
) -> None:
    migrated, created = databases
    migrate(migrated, side)
    with created.write() as connection:
        metadata_of(side).create_all(connection)
    with migrated.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata_of(side)) == []
    assert columns(migrated) == columns(created)
    assert indexes(migrated) == indexes(created)


def test_partial_indexes_have_their_conditions(databases: tuple[Database, Database]) -> None:
    web, signer = databases
    migrate(web, "web")
    migrate(signer, "signer")
    conditions = {
        name: made.partition(" WHERE ")[2]
        for made_by in (indexes(web), indexes(signer))
        for name, made in made_by.items()
        if " WHERE " in made
    }
    assert conditions.keys() == {
        "ix_requests_unanswered",
        "ix_requests_unanswered_in_bulk",
        "ix_requests_to_expire",
        "ix_requests_to_remind",
        "ix_requests_to_sign",
        "ix_requests_to_tell",
        "ix_requests_waiting",
        "uq_decisions_counted",
    }
    assert "waiting_for_signature" in conditions["ix_requests_to_sign"]
    assert "waiting_for_approval" in conditions["ix_requests_waiting"]
    assert conditions["ix_requests_to_tell"] == "(told_revision < revision)"


def test_approvers_views_can_be_read(databases: tuple[Database, Database]) -> None:
    migrate(databases[0], "signer")
    with databases[0].read() as connection:
        assert set(inspect(connection).get_view_names()) == set(VIEW_DEFINITIONS)
        for name in VIEW_DEFINITIONS:
            table = import_module("pipeline.signer.tables").views.tables[name]
            assert connection.execute(table.select()).all() == []


@pytest.mark.parametrize("side", SIDES)
def test_many_that_migrate_at_once_all_find_it_done(
    postgresql: PostgreSQL, databases: tuple[Database, Database], side: Side
) -> None:
    def one() -> str | None:
        database = open_database(postgresql.url("test_migrated"))
        try:
            migrate(database, side)
            return current(database, side)
        finally:
            database.dispose()

    with ThreadPoolExecutor(6) as pool:
        revisions = {future.result() for future in [pool.submit(one) for _ in range(6)]}
    assert revisions == {f"{side}_0001"}
