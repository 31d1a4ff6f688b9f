"""Process `web` on a PostgreSQL that takes no changes, as one does that is no longer the primary."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from pipeline.database.engine import Database, open_database
from pipeline.database.heartbeat import beat
from pipeline.database.reach import is_out_of_reach
from pipeline.web import tables
from pipeline.web.app import create_app
from settings.web import Http, WebSettings
from tests import factories
from tests.servers import PostgreSQL


@pytest.fixture
def database(postgresql: PostgreSQL) -> Iterator[Database]:
    """A web database that can be read only."""
    name = f"standby_{uuid4().hex[:8]}"
    url = postgresql.create_database(name)
    opened = open_database(url)
    with opened.write() as connection:
        tables.metadata.create_all(connection)
    opened.dispose()
    opened = open_database(url, read_only=True)
    yield opened
    opened.dispose()
    postgresql.drop_database(name)


@pytest.fixture
def client(database: Database, tmp_path: Path) -> Any:
    url = database.engine.url.render_as_string(hide_password=False)
    settings = WebSettings(
        role="web", database=url, directory=str(tmp_path), http=Http(anonymous=True)
    )
    return create_app(settings, database).test_client()


def test_what_only_reads_is_answered(client: Any) -> None:
    """Although permits are counted in the database: each process counts by itself meanwhile."""
    assert client.get("/api/v1/ca").json == {"issuers": []}
    assert client.get("/").status_code == 200


@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "a-key"}], ids=["no key", "a key"])
def test_who_submits_is_told_to_come_again(client: Any, key: dict[str, str]) -> None:
    answer = client.post(
        "/api/v1/requests?profile=server",
        data=factories.csr(),
        content_type="application/pkcs10",
        headers=key,
    )
    assert (answer.status_code, answer.json["type"]) == (503, "/problems/database-unavailable")
    assert "Retry-After" in answer.headers


def test_whoever_was_led_to_a_standby_connects_anew(postgresql: PostgreSQL) -> None:
    """As when a name or a proxy leads to the former primary for a moment after a failover."""
    name = f"standby_{uuid4().hex[:8]}"
    url = postgresql.create_database(name)
    primary, led_astray = open_database(url), open_database(url)
    with primary.write() as connection:
        tables.metadata.create_all(connection)
        connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
    with pytest.raises(DBAPIError) as refused:
        beat(led_astray, tables.heartbeats, "one", factories.NOW, broker_ok=True)
    assert is_out_of_reach(refused.value)
    with primary.write() as connection:
        connection.execute(text(f"ALTER DATABASE {name} RESET default_transaction_read_only"))

    beat(led_astray, tables.heartbeats, "one", factories.NOW, broker_ok=True)

    for database in (primary, led_astray):
        database.dispose()
    postgresql.drop_database(name)
