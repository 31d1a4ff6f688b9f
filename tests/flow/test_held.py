"""What a worker goes on with by itself, from `policy` to `sign` and `transmit`, it holds by leases."""

from typing import Any

import pytest
from sqlalchemy import Connection, select

from pipeline.database import advance
from pipeline.messages import Body, OutcomeBatch
from pipeline.signer import admission, authority, tables
from pipeline.signer.issuer import Issuer
from pipeline.signer.operate import suspend
from pipeline.stages import DELIVER, SIGN, TRANSMIT, Stage
from tests.flow.conftest import MakeWorld
from tests.flow.test_limits import ASKING
from tests.flow.world import World


class Killed(BaseException):
    """The end of the process: nothing catches it."""


def test_what_is_being_issued_no_other_worker_takes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = world.submit("host.test")
    sign, signed = authority.sign, []

    def look_twice(tbs: bytes, issuer: Issuer) -> bytes:
        signed.append(world.signer_row(request).attempts)
        if len(signed) == 1:
            world.wake(SIGN)  # as another worker
        return sign(tbs, issuer)

    monkeypatch.setattr(authority, "sign", look_twice)
    world.run()

    assert signed == [1]
    assert world.states(request) == ("issued", "issued")


def test_what_is_being_told_no_other_worker_tells(world: World) -> None:
    request = world.submit("host.test")
    send, told = world.signer.send, []

    def look_twice(stage: Stage, body: Body) -> None:
        if stage is DELIVER and isinstance(body, OutcomeBatch):
            told.append([outcome.state for outcome in body.outcomes])
            if len(told) == 1:
                world.wake(TRANSMIT)  # as another worker
        send(stage, body)

    object.__setattr__(world.signer, "send", look_twice)
    world.run()

    assert told == [["issued"]]
    assert world.states(request) == ("issued", "issued")
    assert world.signer_row(request).told_revision == world.signer_row(request).revision


def test_who_dies_while_issuing_leaves_a_lease_and_an_attempt(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = world.submit("host.test")

    def killed(*_: object) -> bytes:
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(authority, "sign", killed)
        with pytest.raises(Killed):
            world.run()
    assert world.signer_row(request).attempts == 1
    world.wake(SIGN)
    assert world.signer_row(request).state == "waiting_for_signature"

    world.time.move(seconds=world.signer.settings.worker.lease)
    world.wake(SIGN)
    world.run()

    assert world.states(request) == ("issued", "issued")


def test_nothing_is_held_while_signing_is_suspended(world: World) -> None:
    suspend(world.signer_database, "a look", "operator", world.time())
    request = world.submit("host.test", run=True)

    row = world.signer_row(request)
    assert (row.state, row.attempts) == ("waiting_for_signature", 0)
    assert row.next_attempt_at <= world.time()


def test_what_will_be_signed_is_on_record_as_soon_as_the_request_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = world.submit("host.test")
    admit, known = advance.admit, []

    def look(*arguments: Any, **further: Any) -> set[str]:
        admitted: set[str] = admit(*arguments, **further)
        known.append(stored_tbs(arguments[0]))
        return admitted

    def killed(tbs: bytes, _: Issuer) -> bytes:
        with world.signer_database.read() as connection:
            assert stored_tbs(connection) == [(request, tbs)]
            begun = select(tables.audit.c.details).where(tables.audit.c.event == "signing-begun")
            issuer = world.signer.issuers.current.fingerprint
            assert connection.scalars(begun).all() == [{"issuer": issuer, "count": 1, "again": 0}]
        raise Killed

    monkeypatch.setattr(admission, "admit", look)
    monkeypatch.setattr(authority, "sign", killed)
    with pytest.raises(Killed):
        world.run()
    assert [len(one) for one in known] == [1]


def test_what_cannot_be_stored_with_its_tbs_is_stored_without(world: World) -> None:
    object.__setattr__(world.signer, "random", lambda count: b"\x07" * count)
    first, second = world.submit("first.test"), world.submit("second.test")
    world.run()

    assert sorted(str(world.states(one)[1]) for one in (first, second)) == [
        "issued",
        "waiting_for_signature",
    ]
    for _ in range(5):
        world.time.move(minutes=1)
        world.sweep()
    assert sorted(str(world.states(one)[1]) for one in (first, second)) == ["failed", "issued"]


def test_what_is_signed_again_is_on_record_before(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [world.submit(f"host-{number}.test") for number in range(3)]
    verify, tries = authority.verify, []

    def breaks(*arguments: Any) -> None:
        tries.append(1)
        if len(tries) == 3:
            raise ZeroDivisionError
        verify(*arguments)

    monkeypatch.setattr(authority, "verify", breaks)
    world.run()

    assert {world.states(one) for one in requests} == {("issued", "issued")}
    assert len(tries) == 6
    with world.signer_database.read() as connection:
        begun = select(tables.audit.c.details).where(tables.audit.c.event == "signing-begun")
        found = connection.scalars(begun.order_by(tables.audit.c.id)).all()
    assert [(one["count"], one["again"]) for one in found] == [(3, 0), (0, 1), (0, 1), (0, 1)]


def test_what_is_over_a_limit_gets_no_tbs(make_world: MakeWorld) -> None:
    world = make_world(policy=ASKING)
    requests = [world.submit(f"host-{number}.test") for number in range(6)]
    world.run()

    waiting = [one for one in requests if world.states(one)[1] == "waiting_for_approval"]
    assert len(waiting) == 3
    with world.signer_database.read() as connection:
        issued = [request for request, _ in stored_tbs(connection)]
    assert sorted(requests) == sorted(waiting + issued)


def stored_tbs(connection: Connection) -> list[tuple[str, bytes]]:
    rows = connection.execute(select(tables.tbs.c.request_id, tables.tbs.c.octets))
    return [(row.request_id, row.octets) for row in rows]
