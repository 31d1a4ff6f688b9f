"""Two who work on the same rows of PostgreSQL at the same time, one of them waiting for the other."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import text

from pipeline.database.engine import Database

_WAITS = text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


def overtake(database: Database, first: Callable[[], Any], second: Callable[[], Any]) -> None:
    """Do ``first`` until it is about to commit, ``second`` until it waits for what the first one holds
    (or has come to its end), and then let both go on."""
    worked, go_on = threading.Event(), threading.Event()
    commit, mine = database.commit, threading.local()

    def stop_before_commit(connection: Any) -> None:
        if getattr(mine, "is_first", False):
            worked.set()
            assert go_on.wait(60)
        commit(connection)

    def begin() -> None:
        mine.is_first = True
        first()

    database.commit = stop_before_commit  # type: ignore[method-assign]
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(begin)
        assert worked.wait(60)
        other = pool.submit(second)
        until = time.monotonic() + 30
        with database.read() as connection:
            while not connection.scalar(_WAITS) and not other.done():
                assert time.monotonic() < until
                time.sleep(0.01)
        go_on.set()
        one.result(60)
        other.result(60)
    database.commit = commit  # type: ignore[method-assign]
