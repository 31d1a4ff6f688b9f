"""Notifications on a real PostgreSQL: heard at once, and again after the connection was lost."""

import threading
import time
from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
import structlog
from structlog.testing import capture_logs

from pipeline.database.advance import Move, admit, advance
from pipeline.database.engine import Database, open_database
from pipeline.states import State
from pipeline.web import tables
from pipeline.web.identifiers import request_id
from pipeline.web.notifier import Notifier, Waited
from pipeline.web.notify import DELIVERED, SUBMITTED, Ear, announce
from tests.factories import NOW
from tests.servers import PostgreSQL

NOT_FOR_EVER = 60.0
"""Seconds; against hanging only."""


@pytest.fixture
def database(postgresql: PostgreSQL) -> Iterator[Database]:
    """A web database of its own."""
    name = f"notify_{uuid4().hex[:8]}"
    opened = open_database(postgresql.create_database(name))
    with opened.write() as connection:
        tables.metadata.create_all(connection)
    yield opened
    opened.dispose()
    postgresql.drop_database(name)


def cut_off_ears(database: Database) -> None:
    """End the connections that listen, as a failing server would."""
    with database.read() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'httpca-ear' AND datname = current_database()"
        )


def test_what_is_announced_is_heard_on_its_channel(database: Database) -> None:
    ear = Ear(database, SUBMITTED)
    assert ear.wait(NOT_FOR_EVER) is True  # connected: look for yourself
    assert ear.wait(0.1) is False
    announce(database, DELIVERED)
    assert ear.wait(0.1) is False
    announce(database, SUBMITTED)
    assert ear.wait(NOT_FOR_EVER) is True
    assert ear.wait(0.1) is False
    ear.close()


def test_a_lost_connection_is_made_again_and_leads_to_a_look(database: Database) -> None:
    ear = Ear(database, SUBMITTED)
    ear.wait(NOT_FOR_EVER)
    structlog.reset_defaults()
    with capture_logs() as logged:
        cut_off_ears(database)
        assert ear.wait(NOT_FOR_EVER) is False
        assert ear.wait(NOT_FOR_EVER) is True
    assert [entry["event"] for entry in logged] == ["not-listening", "listening-again"]
    announce(database, SUBMITTED)
    assert ear.wait(NOT_FOR_EVER) is True
    ear.close()


def test_a_server_that_is_away_is_waited_for_and_said_once() -> None:
    away = open_database("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    ear = Ear(away, SUBMITTED)
    structlog.reset_defaults()
    with capture_logs() as logged:
        assert [ear.wait(0.3) for _ in range(4)] == [False] * 4
        announce(away, SUBMITTED)
    assert [entry["event"] for entry in logged] == ["not-listening", "notification-lost"]
    ear.close()
    away.dispose()


def test_closing_ends_a_wait_at_once(database: Database) -> None:
    ear = Ear(database, SUBMITTED)
    ear.wait(NOT_FOR_EVER)
    waiting = threading.Thread(target=ear.wait, args=(10 * NOT_FOR_EVER,))
    waiting.start()
    time.sleep(0.1)
    ear.close()
    waiting.join(timeout=NOT_FOR_EVER)
    assert not waiting.is_alive()
    assert ear.wait(0) is False


def test_many_announcements_at_once_are_few(database: Database) -> None:
    heard = 0
    with psycopg.connect(
        database.engine.url.set(drivername="postgresql").render_as_string(False), autocommit=True
    ) as connection:
        connection.execute(f"LISTEN {SUBMITTED}".encode())
        threads = [threading.Thread(target=announce, args=(database, SUBMITTED)) for _ in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
        heard = len(list(connection.notifies(timeout=0.5)))
    assert 1 <= heard <= 50


def new_request(database: Database) -> str:
    made = request_id(NOW)
    row = {"id": made, "state": State.SUBMITTED, "revision": 0}
    with database.write() as connection:
        assert admit(connection, tables.ledger, "submit", [row], NOW)
    return made


def finish(database: Database, request: str) -> None:
    with database.write() as connection:
        move = Move(request, State.SUBMITTED, State.REJECTED, 0)
        assert advance(connection, tables.ledger, "deliver", [move], NOW)


@pytest.mark.parametrize("announced", [True, False])
def test_a_long_poll_ends_with_the_news_and_soon_after_lost_news(
    database: Database, announced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if announced:
        monkeypatch.setattr("pipeline.web.notifier.LOOK_SLOWLY", 10 * NOT_FOR_EVER)
    notifier = Notifier(database, 4)
    request = new_request(database)
    results: list[Waited] = []
    waiting = threading.Thread(
        target=lambda: results.append(notifier.wait_final(request, 10 * NOT_FOR_EVER))
    )
    waiting.start()
    time.sleep(0.5)
    finish(database, request)
    if announced:
        announce(database, DELIVERED)
    waiting.join(timeout=NOT_FOR_EVER)
    assert results == [Waited.FINAL]
    notifier.close()
    assert "long-polls" not in {thread.name for thread in threading.enumerate()}


def test_a_long_poll_outlives_its_connection(database: Database) -> None:
    notifier = Notifier(database, 4)
    request = new_request(database)
    results: list[Waited] = []
    waiting = threading.Thread(target=lambda: results.append(notifier.wait_final(request, 60)))
    waiting.start()
    time.sleep(0.3)
    cut_off_ears(database)
    finish(database, request)
    waiting.join(timeout=NOT_FOR_EVER)
    assert results == [Waited.FINAL]
    notifier.close()
