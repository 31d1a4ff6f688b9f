"""Submitting and withdrawing on a real PostgreSQL: calls at the same moment are told the same."""

import threading
import time
from collections.abc import Iterator, Sequence
from uuid import uuid4

import pytest
from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import OperationalError

from pipeline.clock import now
from pipeline.database.engine import Database, open_database
from pipeline.errors import RequesterError
from pipeline.web import tables, withdraw
from pipeline.web.idempotency import Taken, once
from pipeline.web.identifiers import request_id
from pipeline.web.intake import Intake, New
from pipeline.web.lookup import find, listed
from pipeline.web.submit import Wish, submit
from settings.web import WebSettings
from tests import factories
from tests.servers import PostgreSQL

CALLS = 12

TURNS, MANY = 5, 300
"""How often so many keys are used twice at the same moment."""

NOT_FOR_EVER = 30.0
"""Seconds; against hanging only."""


@pytest.fixture
def database(postgresql: PostgreSQL) -> Iterator[Database]:
    """A web database of its own."""
    name = f"submit_{uuid4().hex[:8]}"
    opened = open_database(postgresql.create_database(name), pool_size=CALLS)
    with opened.write() as connection:
        tables.metadata.create_all(connection)
    yield opened
    opened.dispose()
    postgresql.drop_database(name)


def settings(database: Database) -> WebSettings:
    return WebSettings(role="web", database=str(database.engine.url))


def test_the_same_call_from_many_threads_makes_one_request(database: Database) -> None:
    made: list[str] = []
    conflicts: list[str] = []
    start = threading.Barrier(CALLS)
    octets = factories.csr()
    intakes = [Intake(database) for _ in range(2)]

    def call(number: int) -> None:
        start.wait()
        body = b"other" if number == 0 else b"same"
        wish = Wish(octets, "server", "api", "me", once=once("key", body))
        try:
            made.append(submit(intakes[number % 2], settings(database), wish, now).id)
        except RequesterError as error:
            conflicts.append(error.slug)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(CALLS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(made) + len(conflicts) == CALLS
    assert len(set(made)) == 1
    assert set(conflicts) == {"idempotency-key-reused"}
    with database.read() as connection:
        for table in (tables.requests, tables.submissions, tables.idempotency_keys, tables.audit):
            assert connection.scalar(select(func.count()).select_from(table)) == 1


def test_the_same_keys_in_another_order_harm_nobody(database: Database) -> None:
    """Each of two processes would have some of them, and wait for the other's: PostgreSQL ends one."""
    refused: list[Exception] = []

    def store(keys: Sequence[int], start: threading.Barrier) -> None:
        made = [
            New(
                request_id(now()), now(), "me", b"csr", "server", "api", "", once(f"{key}", b"same")
            )
            for key in keys
        ]
        start.wait()
        try:
            Intake(database).store(made)
        except (Taken, OperationalError) as error:
            refused.append(error)

    for turn in range(TURNS):
        keys, start = range(turn * MANY, (turn + 1) * MANY), threading.Barrier(2)
        threads = [threading.Thread(target=store, args=(to, start)) for to in (keys, keys[::-1])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=NOT_FOR_EVER)
    assert [type(error) for error in refused] == [Taken] * TURNS


def test_two_wishes_to_withdraw_at_once_are_one_and_both_are_told_so(database: Database) -> None:
    wish = Wish(factories.csr(), "server", "api", "me")
    request = submit(Intake(database), settings(database), wish, now).id
    waiting = select(func.count()).select_from(text("pg_locks")).where(text("NOT granted"))
    wished: list[bool] = []
    commit = database.commit

    def meet(connection: Connection) -> None:
        """Commit the first when the second waits for it."""
        database.commit = commit  # type: ignore[method-assign]
        second.start()
        deadline = time.monotonic() + NOT_FOR_EVER
        while not connection.scalar(waiting):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        commit(connection)

    def withdraw_once() -> None:
        found = withdraw.withdraw(database, request, "me", now())
        wished.append(found.withdrawal_wished)

    second = threading.Thread(target=withdraw_once)
    database.commit = meet  # type: ignore[method-assign]
    withdraw_once()
    second.join(NOT_FOR_EVER)
    assert wished == [True, True]
    with database.read() as connection:
        events = list(connection.scalars(select(tables.audit.c.event)))
    assert events.count("withdrawal-wished") == 1


def test_reads_back_pages_and_withdraws(database: Database) -> None:
    ids = [
        submit(
            Intake(database),
            settings(database),
            Wish(factories.csr(), "server", "api", "me", comment="“naïve” ☃"),
            now,
        ).id
        for _ in range(5)
    ]
    found: list[str] = []
    cursor: str | None = ""
    with database.read() as connection:
        while cursor is not None:
            page, cursor = listed(connection, "me", cursor=cursor, limit=2)
            found += [one.id for one in page]
        assert find(connection, ids[0], "me").comment == "“naïve” ☃"
    assert found == ids[::-1]
    wished = withdraw.withdraw(database, ids[0], "me", now())
    assert wished.withdrawal_wished
