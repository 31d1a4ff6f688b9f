"""Rate limits of several processes on a real PostgreSQL."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from pipeline.database.engine import Database, open_database
from pipeline.database.migrate import migrate
from pipeline.web.permits import Permits, forget
from pipeline.web.tables import rates
from tests.factories import NOW
from tests.servers import PostgreSQL


@pytest.fixture
def database(postgresql: PostgreSQL) -> Iterator[Database]:
    database = open_database(postgresql.create_database("test_limits"), pool_size=8)
    migrate(database, "web")
    yield database
    database.dispose()
    postgresql.drop_database("test_limits")


@pytest.mark.parametrize("limit", [50, 2000])
def test_processes_together_never_grant_more_than_the_limit(database: Database, limit: int) -> None:
    processes = [Permits(database, lambda: NOW) for _ in range(4)]

    def ask(permits: Permits) -> int:
        return sum(permits.take("address:192.0.2.1", limit) for _ in range(limit))

    with ThreadPoolExecutor(8) as pool:
        granted = sum(pool.map(ask, processes * 2))
    assert granted == limit
    assert Counter(one.take("address:192.0.2.2", limit) for one in processes) == {True: 4}
    with database.write() as connection:
        forget(connection, NOW + timedelta(minutes=2))
        assert connection.scalar(select(func.count()).select_from(rates)) == 0
