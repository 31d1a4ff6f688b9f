"""Leases: two workers never work on the same row while its lease lasts."""

import threading
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from pipeline.database.claim import claim, extend
from pipeline.database.engine import Database
from pipeline.signer.tables import TO_SIGN, requests
from pipeline.states import State
from tests.unit.database.test_advance import NOW, admitted

LEASE = timedelta(seconds=30)


def due(database: Database, ids: list[str]) -> None:
    with database.write() as connection:
        extend(connection, requests, "next_attempt_at", ids, NOW)


def take(database: Database, limit: int = 100, at: Any = NOW) -> list[str]:
    with database.write() as connection:
        found = claim(
            connection,
            requests,
            "next_attempt_at",
            TO_SIGN,
            now=at,
            lease=LEASE,
            limit=limit,
            attempts=requests.c.attempts + 1,
        )
    return [row.id for row in found]


def test_a_claimed_row_is_not_claimed_again_before_its_lease_ends(database: Database) -> None:
    ids = admitted(database, State.WAITING_FOR_SIGNATURE, 3)
    due(database, ids)

    assert sorted(take(database)) == sorted(ids)
    assert take(database) == []
    assert take(database, at=NOW + LEASE - timedelta(seconds=1)) == []
    assert sorted(take(database, at=NOW + LEASE)) == sorted(ids)


def test_an_extended_lease_lasts_longer(database: Database) -> None:
    ids = admitted(database, State.WAITING_FOR_SIGNATURE)
    due(database, ids)
    take(database)

    with database.write() as connection:
        extend(connection, requests, "next_attempt_at", ids, NOW + 2 * LEASE)

    assert take(database, at=NOW + LEASE) == []
    assert take(database, at=NOW + 2 * LEASE) == ids


def test_a_claim_takes_no_more_than_its_limit_and_only_its_state(database: Database) -> None:
    signing = admitted(database, State.WAITING_FOR_SIGNATURE, 5)
    waiting = admitted(database, State.WAITING_FOR_APPROVAL, 5)
    due(database, signing + waiting)

    first, second, third = take(database, 2), take(database, 2), take(database, 2)

    assert [len(first), len(second), len(third)] == [2, 2, 1]
    assert sorted(first + second + third) == sorted(signing)


def test_the_attempt_is_on_record_before_the_work(database: Database) -> None:
    (one,) = admitted(database, State.WAITING_FOR_SIGNATURE)
    due(database, [one])
    take(database)

    with database.read() as connection:
        assert connection.scalar(select(requests.c.attempts)) == 1


def test_workers_at_once_share_the_rows_without_overlap(database: Database) -> None:
    ids = admitted(database, State.WAITING_FOR_SIGNATURE, 60)
    due(database, ids)
    taken: list[str] = []

    def work() -> None:
        while found := take(database, 4):
            taken.extend(found)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(taken) == sorted(ids)
