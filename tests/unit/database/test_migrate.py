"""The migrations make exactly the tables that the code works with."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, inspect, text

from pipeline.database.engine import Database, open_database
from pipeline.database.migrate import Side, check, current, migrate
from pipeline.errors import SettingsError
from pipeline.signer.tables import VIEW_DEFINITIONS

SIDES: list[Side] = ["web", "signer"]


def metadata_of(side: Side) -> MetaData:
    found = import_module(f"pipeline.{side}.tables").metadata
    assert isinstance(found, MetaData)
    return found


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(f"sqlite:///{tmp_path / 'side.db'}")
    yield database
    database.dispose()


def schema(database: Database) -> dict[str, str]:
    """Return the statement that made each table, index and view."""
    query = (
        "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name != 'alembic_version'"
    )
    with database.read() as connection:
        rows = connection.execute(text(query)).all()
    return {name: " ".join(statement.split()) for name, statement in rows}


def indexes(database: Database) -> dict[str, str]:
    return {name: made for name, made in schema(database).items() if " INDEX " in made}


@pytest.mark.parametrize("side", SIDES)
def test_a_migrated_schema_is_the_one_in_the_code(database: Database, side: Side) -> None:
    migrate(database, side)
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata_of(side)) == []


@pytest.mark.parametrize("side", SIDES)
def test_every_index_is_as_the_code_would_create_it(
    database: Database, side: Side, tmp_path: Path
) -> None:
    migrate(database, side)
    created = open_database(f"sqlite:///{tmp_path / 'created.db'}")
    with created.write() as connection:
        metadata_of(side).create_all(connection)
    assert indexes(database) == indexes(created)
    created.dispose()


NOT_FINAL = "state NOT IN ('expired', 'issued', 'rejected', 'withdrawn')"


@pytest.mark.parametrize(
    ("side", "index", "condition"),
    [
        ("web", "ix_requests_unanswered", f"{NOT_FINAL} AND NOT in_bulk"),
        ("web", "ix_requests_unanswered_in_bulk", f"{NOT_FINAL} AND in_bulk"),
        ("signer", "ix_requests_to_sign", "state = 'waiting_for_signature'"),
        ("signer", "ix_requests_to_tell", "told_revision < revision"),
        ("signer", "ix_requests_to_expire", "state = 'waiting_for_approval'"),
        ("signer", "ix_requests_waiting", "state = 'waiting_for_approval'"),
        ("signer", "uq_decisions_counted", "effect = 'counted'"),
    ],
)
def test_a_partial_index_has_its_condition(
    database: Database, side: Side, index: str, condition: str
) -> None:
    migrate(database, side)
    assert f"WHERE {condition}" in schema(database)[index]


def test_the_signer_has_the_views_that_approvers_see(database: Database) -> None:
    migrate(database, "signer")
    with database.read() as connection:
        assert set(inspect(connection).get_view_names()) == set(VIEW_DEFINITIONS)
    made = schema(database)
    for name, definition in VIEW_DEFINITIONS.items():
        assert made[name].split() == f"CREATE VIEW {name} AS {definition}".split()


@pytest.mark.parametrize("side", SIDES)
def test_migrating_twice_changes_nothing(database: Database, side: Side) -> None:
    migrate(database, side)
    before = schema(database), current(database, side)
    migrate(database, side)
    assert (schema(database), current(database, side)) == before


@pytest.mark.parametrize("side", SIDES)
def test_a_migration_that_fails_leaves_nothing(
    database: Database, side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("killed before the commit")

    monkeypatch.setattr(database, "commit", fail)
    with pytest.raises(RuntimeError):
        migrate(database, side)
    assert schema(database) == {}
    assert current(database, side) is None


@pytest.mark.parametrize("side", SIDES)
def test_the_check_names_the_command_when_migrations_are_missing(
    database: Database, side: Side
) -> None:
    with pytest.raises(SettingsError, match=f"run httpca migrate --config /ca/{side}"):
        check(database, side, Path("/ca", side))
    migrate(database, side)
    check(database, side)


def test_people_are_shown_where_a_database_is_and_no_more() -> None:
    url = "postgresql+psycopg://signer:hush@db.example:5433/ca?sslmode=verify-full&sslkey=/k"
    database = open_database(url)
    assert database.shown == "postgresql+psycopg://signer:***@db.example:5433/ca"


@pytest.mark.parametrize("side", SIDES)
def test_the_check_names_the_owner_s_folder_where_there_is_one(
    database: Database, side: Side, tmp_path: Path
) -> None:
    owner = tmp_path / "owner" / side
    owner.mkdir(parents=True)
    with pytest.raises(SettingsError) as refused:
        check(database, side, tmp_path / side)
    assert str(refused.value).endswith(f"; run httpca migrate --config {owner}")


def test_a_database_of_the_other_side_is_refused(database: Database) -> None:
    migrate(database, "web")
    for use in (check, current, migrate):
        with pytest.raises(SettingsError, match="not a database of the signer side"):
            use(database, "signer")


def test_a_database_that_a_later_release_migrated_is_accepted(database: Database) -> None:
    migrate(database, "web")
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'web_9999'"))
    check(database, "web")
    migrate(database, "web")
    assert current(database, "web") == "web_9999"
