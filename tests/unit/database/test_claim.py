"""Leases: two workers never work on the same row while its lease lasts."""

import threading
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from pipeline.database.claim import Claim, Counts, claim, is_due, pull_back
from pipeline.database.engine import Database
from pipeline.signer.tables import TO_SIGN, requests
from pipeline.states import State
from tests.unit.database.admitted import NOW, admitted

LEASE = timedelta(seconds=30)


def due(database: Database, ids: list[str]) -> None:
    with database.write() as connection:
        connection.execute(
            update(requests).where(requests.c.id.in_(ids)).values(next_attempt_at=NOW)
        )


def take(database: Database, limit: int = 100, at: Any = NOW) -> list[str]:
    return claimed(database, limit, at).ids


def claimed(database: Database, limit: int = 100, at: Any = NOW) -> Claim:
    with database.write() as connection:
        return claim(
            connection,
            requests,
            "next_attempt_at",
            TO_SIGN,
            now=at,
            lease=LEASE,
            limit=limit,
            counts="every",
        )


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
    ours = claimed(database)

    ours.extend(database, NOW + 2 * LEASE)

    assert take(database, at=NOW + LEASE) == []
    assert take(database, at=NOW + 2 * LEASE) == ids


def test_a_claim_takes_no_more_than_its_limit_and_only_its_state(database: Database) -> None:
    signing = admitted(database, State.WAITING_FOR_SIGNATURE, 5)
    waiting = admitted(database, State.WAITING_FOR_APPROVAL, 5)
    due(database, signing + waiting)

    first, second, third = take(database, 2), take(database, 2), take(database, 2)

    assert [len(first), len(second), len(third)] == [2, 2, 1]
    assert sorted(first + second + third) == sorted(signing)


def test_there_is_more_to_claim_when_more_is_due_and_not_when_all_is_claimed(
    database: Database,
) -> None:
    due(database, admitted(database, State.WAITING_FOR_SIGNATURE, 3))

    first = claimed(database, 2)
    assert is_due(database, first, TO_SIGN, NOW)
    assert not is_due(database, first, TO_SIGN, NOW - timedelta(seconds=1))
    second = claimed(database, 2)
    assert not is_due(database, second, TO_SIGN, NOW)
    assert is_due(database, second, TO_SIGN, NOW + LEASE)


def test_a_claim_may_count_no_attempt_the_first_or_every_one(database: Database) -> None:
    (one,) = admitted(database, State.WAITING_FOR_SIGNATURE)
    counts: tuple[Counts, ...] = ("none", "first", "first", "every", "first", "none")
    found = []
    for number in counts:
        due(database, [one])
        with database.write() as connection:
            ours = claim(
                connection,
                requests,
                "next_attempt_at",
                TO_SIGN,
                now=NOW,
                lease=LEASE,
                limit=1,
                returning=("id", "attempts"),
                counts=number,
            )
        found.append(ours.rows[0].attempts)
    with database.read() as connection:
        found.append(connection.scalar(select(requests.c.attempts)))

    assert found == [0, 0, 1, 1, 2, 2, 2]


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


def test_a_row_that_is_made_due_meanwhile_is_no_longer_held(database: Database) -> None:
    first, second = admitted(database, State.WAITING_FOR_SIGNATURE, 2)
    due(database, [first, second])
    ours = claimed(database)
    due(database, [first])

    ours.extend(database, NOW + 2 * LEASE)

    assert take(database) == [first]
    with database.read() as connection:
        held = connection.scalars(select(requests.c.id).where(ours.holds(ours.ids))).all()
    assert held == [second]


def test_a_lease_of_a_clock_that_was_ahead_is_pulled_back(database: Database) -> None:
    (one,) = admitted(database, State.WAITING_FOR_SIGNATURE)
    due(database, [one])
    take(database, at=NOW + timedelta(days=365))
    assert take(database) == []

    for expected in (1, 0):
        with database.write() as connection:
            pulled = pull_back(
                connection,
                requests,
                "next_attempt_at",
                TO_SIGN,
                now=NOW,
                farthest=timedelta(hours=1),
            )
        assert pulled == expected

    assert take(database) == [one]
