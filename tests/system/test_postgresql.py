"""What only PostgreSQL shows: limits of claims, plans, and what its errors quote."""

import logging
import secrets
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta

import pytest
from sqlalchemy import insert, text, update
from sqlalchemy.exc import IntegrityError

from pipeline.clock import now
from pipeline.database.claim import claim
from pipeline.database.engine import Database, open_database
from pipeline.database.migrate import migrate
from pipeline.signer.tables import TO_SIGN, requests, submissions
from pipeline.states import State
from tests.servers import PostgreSQL

NOW = now()


@pytest.fixture
def database(postgresql: PostgreSQL) -> Iterator[Database]:
    name = f"signer_{secrets.token_hex(6)}"
    opened = open_database(postgresql.create_database(name))
    migrate(opened, "signer")
    yield opened
    opened.dispose()
    postgresql.drop_database(name)


def fill(database: Database, count: int, state: State) -> None:
    rows = [
        {
            "id": str(uuid.uuid4()),
            "state": state,
            "revision": 2,
            "told_revision": 2,
            "tell_at": NOW,
            "created_at": NOW,
            "changed_at": NOW,
            "next_attempt_at": NOW - timedelta(hours=1),
        }
        for _ in range(count)
    ]
    with database.write() as connection:
        connection.execute(insert(requests), rows)


@pytest.mark.parametrize("analyzed", [True, False])
@pytest.mark.parametrize("limit", [1, 3, 100])
def test_a_claim_takes_no_more_than_its_limit_whatever_the_statistics_say(
    analyzed: bool, limit: int, database: Database
) -> None:
    fill(database, 2000, State.ISSUED)
    if analyzed:  # as in the long calm before a burst: hardly anything is ever due
        with database.write() as connection:
            connection.execute(text("ANALYZE"))
    fill(database, 500, State.WAITING_FOR_SIGNATURE)

    taken: set[str] = set()
    for _ in range(2):
        with database.write() as connection:
            claimed = claim(
                connection,
                requests,
                "next_attempt_at",
                TO_SIGN,
                now=NOW,
                lease=timedelta(seconds=30),
                limit=limit,
            )
        assert len(claimed.ids) == limit
        assert not taken & set(claimed.ids)
        taken |= set(claimed.ids)


def test_a_claim_reads_the_partial_index_and_not_the_table(database: Database) -> None:
    fill(database, 5000, State.ISSUED)
    fill(database, 10, State.WAITING_FOR_SIGNATURE)
    with database.write() as connection:
        connection.execute(text("ANALYZE"))
        plan = "\n".join(
            connection.scalars(
                text(
                    "EXPLAIN SELECT id FROM requests WHERE " + TO_SIGN.text + " AND"
                    " next_attempt_at <= now() ORDER BY next_attempt_at LIMIT 100"
                )
            )
        )
    assert "ix_requests_to_sign" in plan
    assert "Seq Scan" not in plan


def test_an_error_quotes_no_row(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    row = {
        "request_id": str(uuid.uuid4()),
        "csr": b"SECRET-CSR",
        "profile_name": "server",
        "source": "api",
        "comment": "a private\ncomment",
        "submitted_at": NOW,
        "profile": {},
        "rule": {},
        "issuer": None,
        "policy_digest": "",
    }
    with pytest.raises(IntegrityError) as caught, database.write() as connection:
        connection.execute(insert(submissions), [row])
    with caplog.at_level(logging.ERROR):
        logging.getLogger("test").error("failed", exc_info=caught.value)

    assert "issuer" in caplog.text
    for secret in ("private", b"SECRET-CSR".hex(), "SECRET"):
        assert secret not in caplog.text


def test_an_update_in_between_is_not_lost(database: Database) -> None:
    fill(database, 1, State.WAITING_FOR_SIGNATURE)
    with database.write() as connection:
        claimed = claim(
            connection,
            requests,
            "next_attempt_at",
            TO_SIGN,
            now=NOW,
            lease=timedelta(seconds=30),
            limit=1,
        )
    due = NOW - timedelta(seconds=1)
    with database.write() as connection:
        connection.execute(update(requests).values(next_attempt_at=due))

    claimed.extend(database, NOW + timedelta(hours=1))

    with database.read() as connection:
        assert (
            connection.scalar(requests.select().with_only_columns(requests.c.next_attempt_at))
            == due
        )


def test_connections_of_the_busiest_moment_are_kept(postgresql: PostgreSQL) -> None:
    """To open one costs the server a process."""
    name = f"busy_{secrets.token_hex(6)}"
    database = open_database(postgresql.create_database(name), pool_size=2)

    def busy() -> set[int]:
        with ExitStack() as stack:
            held = [stack.enter_context(database.read()) for _ in range(4)]
            return {one.execute(text("SELECT pg_backend_pid()")).scalar_one() for one in held}

    first = busy()
    assert len(first) == 4
    assert busy() == first
    database.dispose()
    postgresql.drop_database(name)
