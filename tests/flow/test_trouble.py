"""What is out of reach is waited for, and counts against nobody."""

from datetime import timedelta

import pytest
from sqlalchemy import Connection, update
from sqlalchemy.exc import OperationalError

from pipeline.actors import patience
from pipeline.database.advance import advance
from pipeline.signer import issuance, tables
from pipeline.stages import POLICY, SIGN
from pipeline.web.withdraw import withdraw
from tests.flow.world import World

OFTEN = 7
"""More often than a request may fail by itself."""


def broken() -> OperationalError:
    return OperationalError("COMMIT", {}, Exception("the connection broke"))


def refuse_commits(world: World, monkeypatch: pytest.MonkeyPatch, *, lost: bool) -> list[int]:
    """Let the signer's database refuse so many commits, or (``lost``) only lose its answers."""
    database = world.signer_database
    commit, refused = database.commit, [0]
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(patience, "LONGEST_PAUSE", 0.001)

    def refuses(connection: Connection) -> None:
        if refused[0] == OFTEN:
            commit(connection)
            return
        refused[0] += 1
        if lost:
            commit(connection)
        raise broken()

    monkeypatch.setattr(database, "commit", refuses)
    return refused


@pytest.mark.parametrize("lost", [False, True], ids=["refused", "answers lost"])
@pytest.mark.parametrize("judged", [False, True], ids=["before policy", "before sign"])
def test_a_database_that_is_in_trouble_never_counts_against_a_request(
    lost: bool, judged: bool, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = world.submit("host.test")
    if judged:
        with world.signing_suspended():
            world.run()
    refused = refuse_commits(world, monkeypatch, lost=lost)
    world.wake(SIGN)
    world.run()
    for _ in range(OFTEN):
        world.time.move(minutes=2)
        world.sweep()

    assert refused == [OFTEN]
    assert world.states(request) == ("issued", "issued")
    assert ("waiting_for_signature", "failed") not in world.audited(
        world.signer_database, tables.audit, request
    )


def test_a_commit_that_is_refused_while_signing_is_no_failure_of_the_request(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = world.submit("host.test")
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(patience, "LONGEST_PAUSE", 0.001)
    stored, tries = advance, [0]

    def breaks(*arguments: object, **further: object) -> set[str]:
        tries[0] += 1
        if tries[0] <= OFTEN:
            raise broken()
        return stored(*arguments, **further)  # type: ignore[arg-type]

    monkeypatch.setattr(issuance, "advance", breaks)
    world.run()

    assert tries == [OFTEN + 1]
    assert world.states(request) == ("issued", "issued")


def test_a_clock_that_is_behind_signs_nothing_even_if_it_is_due(world: World) -> None:
    world.time.move(days=1)  # else the message certificates would not be valid yet
    request = world.submit("host.test")
    with world.signing_suspended():
        world.run()
    with world.signer_database.write() as connection:
        long_ago = world.time() - timedelta(days=1)
        connection.execute(update(tables.requests).values(next_attempt_at=long_ago))
    world.time.moment -= timedelta(hours=3)

    world.wake(SIGN)
    assert world.signer_row(request).state == "waiting_for_signature"

    world.time.moment += timedelta(hours=3)
    world.sweep()
    assert world.states(request) == ("issued", "issued")


def test_a_wish_to_withdraw_that_is_lost_is_told_again(world: World) -> None:
    request = world.submit("host.example.com", run=True)
    lost = []

    def lose(name: str, octets: bytes) -> list[bytes]:
        if name == POLICY.queue:
            lost.append(octets)
            return []
        return [octets]

    for _ in range(3):
        world.time.move(hours=1)
        world.web_clock.sweep()
        world.run(lose)
    withdraw(world.web_database, request, None, world.time())
    world.web_clock.sweep()
    world.run(lose)
    assert len(lost) == 4
    world.time.move(hours=2)
    world.sweep()

    assert world.states(request) == ("withdrawn", "withdrawn")
