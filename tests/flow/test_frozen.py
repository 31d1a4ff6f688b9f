"""Whoever is frozen in the middle of a transaction holds up nobody for long (PostgreSQL)."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError

from pipeline.database.engine import Database, open_database
from pipeline.database.reach import is_out_of_reach
from pipeline.database.sets import insert_rows
from tests.flow.things import metadata, table, thing
from tests.servers import PostgreSQL

LIMIT = text("SELECT setting FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'")


@pytest.fixture
def url(postgresql: PostgreSQL) -> Iterator[str]:
    name = f"things_{uuid.uuid4().hex}"
    yield postgresql.create_database(name)
    postgresql.drop_database(name)


@contextmanager
def opened(url: str, *, by_keys: bool) -> Iterator[Database]:
    database = open_database(url, by_keys=by_keys)
    try:
        yield database
    finally:
        database.dispose()


def rename(database: Database, name: str) -> None:
    with database.write() as connection:
        connection.execute(update(table).values(name=name))


def freeze(database: Database, until: Callable[[], None]) -> None:
    """Hold the lock of every row, do nothing until that is done, and go on."""
    with database.write() as connection:
        connection.execute(update(table).values(name="frozen"))
        connection.execute(text("SET idle_in_transaction_session_timeout = 1"))  # ms
        until()


@pytest.mark.parametrize(("by_keys", "milliseconds"), [(True, 30_000), (False, 0)])
def test_processes_may_be_idle_in_a_transaction_for_as_long_as_a_lease_and_commands_for_ever(
    url: str, *, by_keys: bool, milliseconds: int
) -> None:
    with opened(url, by_keys=by_keys) as database, database.read() as connection:
        assert int(connection.scalar(LIMIT) or "") == milliseconds


def test_locks_of_who_is_frozen_are_given_up_and_its_work_is_to_be_done_again(url: str) -> None:
    with opened(url, by_keys=True) as frozen, opened(url, by_keys=True) as other:
        metadata.create_all(other.engine)
        with other.write() as connection:
            insert_rows(connection, table, [thing("before")])
        with pytest.raises(DBAPIError) as ended:
            freeze(frozen, until=partial(rename, other, "other"))

        assert is_out_of_reach(ended.value)
        with frozen.read() as connection:
            assert connection.scalars(select(table.c.name)).all() == ["other"]
