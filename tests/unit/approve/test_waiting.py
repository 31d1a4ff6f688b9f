"""What waits, and what an approval covers."""

import hashlib
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.approve import waiting
from pipeline.approve.waiting import NoDatabase
from pipeline.digest import Approvable
from pipeline.states import State
from tests.unit.approve.asked import NOON, PROFILE, RULE, make_csr
from tests.unit.approve.world import World, decided


def test_only_what_waits_is_walked_through_the_oldest_first(world: World) -> None:
    second = world.add(created_at=NOON + timedelta(hours=1))
    first = world.add(created_at=NOON)
    world.add(state=State.ISSUED)
    assert waiting.count(world.database) == 2
    assert [request.id for request in waiting.oldest(world.database, 10)] == [first, second]
    found = waiting.next_after(world.database, None)
    assert found is not None
    assert found.id == first
    following = waiting.next_after(world.database, (found.created_at, found.id))
    assert following is not None
    assert following.id == second
    assert waiting.next_after(world.database, (following.created_at, second)) is None


def test_requests_of_the_same_moment_are_each_met_once(world: World) -> None:
    ids = {world.add() for _ in range(5)}
    met: list[str] = []
    position = None
    while (found := waiting.next_after(world.database, position)) is not None:
        position = found.created_at, found.id
        met.append(found.id)
    assert sorted(met) == sorted(ids)


def test_a_request_comes_with_its_decisions_and_its_issuer(world: World) -> None:
    request_id = world.add()
    world.record(decided(request_id, "reject", "not ours"), "other")
    request = waiting.get(world.database, request_id)
    assert request is not None
    assert request.state is State.REJECTED
    assert [(d.approver, d.verdict, d.reason) for d in request.decisions] == [
        ("other", "reject", "not ours")
    ]
    assert request.issuer_certificate == world.issuer.public_bytes(Encoding.DER)


def test_the_digest_is_made_from_what_is_shown(world: World) -> None:
    csr = make_csr(["a.example.com"])
    request_id = world.add(csr)
    request = waiting.get(world.database, request_id)
    assert request is not None
    issuer = hashlib.sha256(world.issuer.public_bytes(Encoding.DER)).hexdigest()
    shown = Approvable(request_id, csr, "requester", PROFILE.snapshot, RULE, issuer)
    assert request.approvable().digest() == shown.digest()


def test_what_the_web_side_says_in_passing_does_not_change_the_digest(world: World) -> None:
    request_id = world.add(comment="one")
    request = waiting.get(world.database, request_id)
    assert request is not None
    digest = request.approvable().digest()
    world.move(request_id, State.FAILED, "a reason")
    again = waiting.get(world.database, request_id)
    assert again is not None
    assert again.approvable().digest() == digest


def test_a_database_that_is_not_there_is_not_made(world: World) -> None:
    file = world.folder / "elsewhere.db"
    with pytest.raises(NoDatabase, match=r"no signer database at .*elsewhere\.db yet"):
        waiting.open_signer(f"sqlite:///{file}")
    assert not file.exists()


def test_an_approver_cannot_write_into_the_signers_database(world: World) -> None:
    from sqlalchemy import text
    from sqlalchemy.exc import OperationalError

    database = waiting.open_signer(world.url)
    try:
        with pytest.raises(OperationalError, match="readonly"), database.write() as connection:
            connection.execute(text("DELETE FROM audit"))
    finally:
        database.dispose()
