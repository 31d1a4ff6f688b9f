"""A signer whose database is older than what it signed: it stops, learns, and goes on."""

from typing import Any

import pytest

from pipeline.database import advance
from pipeline.database.export import NotWhole
from pipeline.signer import admission, operate
from pipeline.signer.export import lines as signer_lines
from pipeline.signer.reconcile import reconcile
from pipeline.web.export import lines
from pipeline.web.reconcile import reconcile as web_reconcile
from tests.flow.restored import (
    back_up,
    is_suspended,
    issued_names,
    learn,
    restore,
    settle,
    start_signer,
)
from tests.flow.world import World


def test_after_a_restore_no_request_gets_a_second_certificate(world: World) -> None:
    before = world.submit("before.test", run=True)
    known = world.submit("known.example.com", run=True)
    backup = back_up(world.signer_database)
    world.decide(known, "accept")
    issued = [world.submit(f"after-{number}.test", run=True) for number in range(3)]
    rejected = world.submit("after.invalid", run=True)
    waiting = world.submit("after.example.com", run=True)
    certificates = {one: world.certificate(one) for one in (before, known, *issued)}
    names = issued_names(world)

    restore(world.signer_database, backup)
    start_signer(world)
    assert is_suspended(world)
    late = world.submit("late.test", run=True)
    settle(world)
    assert world.states(late) == ("waiting_for_signature", "waiting_for_signature")

    done = learn(world)
    assert (done["certificate imported"], done["end imported"]) == (4, 1)
    settle(world)

    assert not is_suspended(world)
    assert {one: world.certificate(one) for one in certificates} == certificates
    assert len(names) == len(certificates)
    assert names < issued_names(world)  # and that of the late one
    assert world.states(late) == ("issued", "issued")
    assert world.states(rejected) == ("rejected", "rejected")
    assert world.states(waiting) == ("waiting_for_approval", "waiting_for_approval")
    world.decide(waiting, "accept")
    settle(world)
    assert world.states(waiting) == ("issued", "issued")


def test_a_restore_is_noticed_by_what_the_web_side_has_heard(world: World) -> None:
    """As on a new host, where nothing is remembered beside the database."""
    backup = back_up(world.signer_database)
    waiting = world.submit("host.example.com", run=True)

    restore(world.signer_database, backup)
    settle(world)

    assert is_suspended(world)
    assert world.states(waiting) == ("waiting_for_approval", "waiting_for_approval")
    learn(world)
    world.decide(waiting, "accept")
    settle(world)
    assert world.states(waiting) == ("issued", "issued")


def test_to_learn_ends_no_suspension_that_an_operator_wanted(world: World) -> None:
    """The key may have been seen: that is not known to be untrue because the database was older."""
    backup = back_up(world.signer_database)
    world.submit("after.test", run=True)
    restore(world.signer_database, backup)
    operate.suspend(world.signer_database, "the key was seen", "operator", world.time())
    start_signer(world)

    learn(world)
    late = world.submit("late.test", run=True)
    settle(world)
    assert is_suspended(world)
    assert world.states(late) == ("waiting_for_signature", "waiting_for_signature")

    operate.resume(world.signer_database, "it was not", "operator", world.time())
    settle(world)
    assert world.states(late) == ("issued", "issued")


def test_an_operator_who_lets_signing_go_on_ends_both_suspensions(world: World) -> None:
    operate.suspend(world.signer_database, "the key was seen", "operator", world.time())
    operate.suspend_after_restore(world.signer_database, "evidence", world.time())
    assert operate.resume(world.signer_database, "all is known", "operator", world.time())
    assert not is_suspended(world)
    assert not operate.resume(world.signer_database, "again", "operator", world.time())


def test_a_signer_that_knows_what_it_signed_last_is_not_suspended(world: World) -> None:
    world.submit("host.test", run=True)

    start_signer(world)

    assert not is_suspended(world)


def test_what_ended_after_the_backup_has_ended_after_the_restore(world: World) -> None:
    withdrawn, rejected, expired = (
        world.submit(f"{name}.example.com", run=True) for name in ("w", "r", "e")
    )
    backup = back_up(world.signer_database)
    world.withdraw(withdrawn)
    world.decide(rejected, "reject", reason="Not ours.")
    world.time.move(days=31)
    world.sweep()
    ends = {one: world.states(one)[0] for one in (withdrawn, rejected, expired)}
    assert ends == {withdrawn: "withdrawn", rejected: "rejected", expired: "expired"}

    restore(world.signer_database, backup)
    assert world.states(withdrawn) == ("withdrawn", "waiting_for_approval")
    learn(world)
    assert {one: world.states(one) for one in ends} == {
        one: (end, end) for one, end in ends.items()
    }
    assert world.signer_row(rejected).reason == world.web_row(rejected).reason == "Not ours."
    learn(world)
    settle(world)
    assert {one: world.states(one) for one in ends} == {
        one: (end, end) for one, end in ends.items()
    }


def test_importing_again_changes_nothing_more(world: World) -> None:
    backup = back_up(world.signer_database)
    world.submit("host.test", run=True)
    restore(world.signer_database, backup)
    assert learn(world) == {"certificate imported": 1}
    before = world.snapshot()

    assert learn(world) == {"known": 1}
    assert world.snapshot() == before


def test_a_signer_does_not_take_half_an_export_for_all(world: World) -> None:
    """It would sign anew what it was not told of."""
    backup = back_up(world.signer_database)
    world.submit("one.test", run=True)
    world.submit("two.test", run=True)
    one, two, end = lines(world.web_database)
    restore(world.signer_database, backup)
    for cut in ([], [one, two], [one, end], [end], [one, two, end, end]):
        with pytest.raises(NotWhole):
            reconcile(world.signer_database, world.signer.issuers, cut, "operator", world.time())


def test_a_web_side_does_not_take_half_an_export_for_all(world: World) -> None:
    world.submit("one.test", run=True)
    exported = list(signer_lines(world.signer_database))
    for cut in ([], exported[:-1], exported[-1:], ['{"end": []}']):
        with pytest.raises(NotWhole):
            web_reconcile(world.web_database, cut, "operator", world.time())
    assert web_reconcile(world.web_database, exported, "operator", world.time()) == {"known": 1}


def test_a_restored_signer_stops_before_it_takes_anything_in(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker might sign between the two."""
    backup = back_up(world.signer_database)
    world.submit("host.example.com", run=True)
    restore(world.signer_database, backup)
    seen = []
    admit = advance.admit

    def look(*arguments: Any, **further: Any) -> set[str]:
        seen.append(operate.suspended(arguments[0]))
        admitted: set[str] = admit(*arguments, **further)
        return admitted

    monkeypatch.setattr(admission, "admit", look)
    settle(world)

    assert seen == [True]
