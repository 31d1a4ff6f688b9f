"""What a worker goes on with by itself, from `policy` to `sign` and `transmit`, it holds by leases."""

import pytest

from pipeline.messages import Body, OutcomeBatch
from pipeline.signer import authority
from pipeline.signer.operate import suspend
from pipeline.stages import DELIVER, SIGN, TRANSMIT, Stage
from tests.flow.world import World


class Killed(BaseException):
    """The end of the process: nothing catches it."""


def test_what_is_being_issued_no_other_worker_takes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = world.submit("host.test")
    prepare, prepared = authority.prepare, []

    def look_twice(*arguments: object) -> authority.Prepared:
        prepared.append(world.signer_row(request).attempts)
        if len(prepared) == 1:
            world.wake(SIGN)  # as another worker
        return prepare(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(authority, "prepare", look_twice)
    world.run()

    assert prepared == [1]
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

    def killed(*_: object) -> authority.Prepared:
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(authority, "prepare", killed)
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
