"""One bad item never harms the others of its batch."""

import dataclasses
from typing import cast

import msgspec
import pytest

from pipeline.actors.patience import Patience
from pipeline.actors.signer.sign import sign
from pipeline.actors.signer.transmit import transmit
from pipeline.crypto import csr as csrs
from pipeline.crypto.envelope import Received
from pipeline.errors import ItemFailed
from pipeline.signer import authority
from pipeline.signer import tables as signer_tables
from tests.flow.world import POLICY, RELAY, SIGN, TRANSMIT, World


def settle(world: World) -> None:
    for _ in range(8):
        world.time.move(minutes=5)
        world.sweep()


def test_a_submission_that_breaks_the_policy_is_rejected_and_the_others_are_issued(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = [world.submit(f"good-{number}.test") for number in range(5)]
    bad = world.submit("bad.test")
    read = csrs.read

    def breaks(octets: bytes, *, verified: bool = False) -> csrs.Csr:
        found = read(octets, verified=verified)
        if any(name.value == "bad.test" for name in found.names):
            raise ZeroDivisionError
        return found

    monkeypatch.setattr(csrs, "read", breaks)
    world.run()

    assert {world.states(request) for request in good} == {("issued", "issued")}
    assert world.states(bad) == ("rejected", "rejected")
    assert "error on our side" in world.web_row(bad).reason


@pytest.mark.parametrize("step", ["prepare", "verify"])
@pytest.mark.parametrize("waited", [False, True], ids=["at-once", "after-a-suspension"])
def test_a_request_that_cannot_be_signed_fails_after_its_attempts_and_the_others_are_issued(
    world: World, monkeypatch: pytest.MonkeyPatch, step: str, waited: bool
) -> None:
    good = [world.submit(f"good-{number}.test") for number in range(5)]
    bad = world.submit("bad.test")
    if waited:
        with world.signing_suspended():
            world.run()
    whole = getattr(authority, step)

    def breaks(*arguments: object) -> object:
        csr = next(one for one in arguments if isinstance(one, csrs.Csr))
        if any(name.value == "bad.test" for name in csr.names):
            raise ZeroDivisionError
        return whole(*arguments)

    monkeypatch.setattr(authority, step, breaks)
    world.run()
    world.sweep()
    assert {world.states(request) for request in good} == {("issued", "issued")}
    assert world.signer_row(bad).attempts == 1
    settle(world)

    assert world.states(bad) == ("failed", "failed")
    assert "ZeroDivisionError" in world.signer_row(bad).reason


def test_what_cannot_be_issued_ever_fails_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = world.submit("bad.test")

    def gone(*_: object) -> None:
        raise ItemFailed("the certificate's validity was over before it was signed")

    monkeypatch.setattr(authority, "ensure_usable", gone)
    world.run()

    assert world.states(bad) == ("failed", "failed")
    assert "validity was over" in world.web_row(bad).reason


def test_a_request_that_kills_its_worker_ends_as_failed_and_the_others_are_issued(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = [world.submit(f"good-{number}.test") for number in range(5)]
    bad = world.submit("bad.test")
    after = [world.submit(f"after-{number}.test") for number in range(5)]
    prepare = authority.prepare

    class Killed(BaseException):
        """Stands for the end of the process: nothing catches it."""

    def kills(csr: csrs.Csr, *others: object) -> authority.Prepared:
        if any(name.value == "bad.test" for name in csr.names):
            raise Killed
        return prepare(csr, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(authority, "prepare", kills)
    for wake_up in world.waiting(RELAY):
        world.deliver(RELAY, wake_up)
    (octets,) = world.waiting(POLICY)
    with pytest.raises(Killed):
        world.deliver(POLICY, octets)
    world.deliver(POLICY, octets, redelivered=True)  # as the broker does when a worker has died
    assert world.signer_row(bad).state == "waiting_for_signature"
    for _ in range(20):
        try:
            world.sweep()
        except Killed:
            world.time.move(minutes=1)  # a new process finds the lease over

    assert {world.states(request) for request in (*good, *after)} == {("issued", "issued")}
    assert world.states(bad) == ("failed", "failed")
    assert "may have died" in world.signer_row(bad).reason


def test_a_second_csr_for_the_same_id_is_refused_and_audited(world: World) -> None:
    from sqlalchemy import select

    from pipeline.web import tables as web_tables
    from tests import factories

    request = world.submit("first.test", run=True)
    certificate = world.certificate(request)
    with world.web_database.write() as connection:  # as a web side that was taken over would
        connection.execute(
            web_tables.submissions.update().values(csr=factories.csr(names=["DNS:second.test"]))
        )
        connection.execute(
            web_tables.requests.update().values(state="relayed", next_attempt_at=world.time())
        )
    world.sweep()

    with world.signer_database.read() as connection:
        events = connection.scalars(
            select(signer_tables.audit.c.event).where(signer_tables.audit.c.request_id == request)
        ).all()
        stored = connection.scalars(select(signer_tables.certificates.c.certificate)).all()
    assert "second-submission-refused" in events
    assert stored == [certificate]


def test_a_full_batch_wakes_another_when_there_is_more_and_not_for_nothing(world: World) -> None:
    ids = [
        world.submit(f"host-{number}.{end}")
        for end in ("test", "example.com")
        for number in range(4)
    ]
    with world.signing_suspended():
        for stage in (RELAY, POLICY):
            for octets in world.waiting(stage):
                world.deliver(stage, octets)
    replace, settings = msgspec.structs.replace, world.signer.settings
    small = replace(settings, worker=replace(settings.worker, batch=2))
    side, nothing = dataclasses.replace(world.signer, settings=small), cast("Received", None)

    for stage, work in ((SIGN, sign), (TRANSMIT, transmit)):
        woken = []
        for _ in range(2):
            world.waiting(stage)
            work(side, Patience(), nothing)
            woken.append(len(world.waiting(stage)))
        assert woken == [1, 0]

    world.run()
    waiting = "waiting_for_approval"
    assert [world.states(one) for one in ids] == [("issued", "issued")] * 4 + [
        (waiting, waiting)
    ] * 4
