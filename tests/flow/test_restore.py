"""A signer whose database is older than what it signed: it stops, learns, and goes on."""

import json
from typing import Any

import pytest
from sqlalchemy import delete, insert, select

from pipeline.database import advance
from pipeline.database.engine import Database
from pipeline.database.export import NotWhole
from pipeline.messages import MAX_CSR_BYTES
from pipeline.run.signer_side import open_signer_side
from pipeline.signer import admission, operate
from pipeline.signer import tables as signer_tables
from pipeline.signer.export import lines as signer_lines
from pipeline.signer.reconcile import NotImported, end_suspension, reconcile
from pipeline.web.export import lines
from pipeline.web.reconcile import reconcile as web_reconcile
from tests import factories
from tests.flow.audit_log import lock, unlock
from tests.flow.conftest import MakeWorld
from tests.flow.overtaken import overtake
from tests.flow.world import DECIDE, State, World

Backup = dict[str, list[dict[str, Any]]]


def back_up(database: Database) -> Backup:
    with database.read() as connection:
        return {
            table.name: [dict(row._mapping) for row in connection.execute(select(table))]
            for table in signer_tables.metadata.sorted_tables
        }


def restore(database: Database, backup: Backup) -> None:
    with database.write() as connection:
        unlock(connection)
        for table in reversed(signer_tables.metadata.sorted_tables):
            connection.execute(delete(table))
        for table in signer_tables.metadata.sorted_tables:
            if backup[table.name]:
                connection.execute(insert(table), backup[table.name])
        lock(connection)


def is_suspended(world: World) -> bool:
    with world.signer_database.read() as connection:
        return operate.suspended(connection)


def start_signer(world: World) -> None:
    """Open the signer side as its worker does when it starts."""
    open_signer_side(
        world.signer.settings,
        world.directory / "signer",
        world.signer_database,
        signs=True,
        exchange=world.exchange,
        clock=world.time,
    )


def learn(world: World) -> dict[str, int]:
    exported = list(lines(world.web_database))
    issuers = world.signer.issuers
    done = reconcile(world.signer_database, issuers, exported, "operator", world.time())
    end_suspension(world.signer_database, "operator", world.time())
    return dict(done)


def issued_names(world: World) -> set[tuple[Any, ...]]:
    """Return what approvers are told of names that were issued."""
    with world.signer_database.read() as connection:
        return {tuple(row) for row in connection.execute(select(signer_tables.issued_names))}


def settle(world: World) -> None:
    for _ in range(8):
        world.time.move(minutes=30)
        world.sweep()


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


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda line: "no JSON", "line 1"),
        (lambda line: json.dumps(json.loads(line) | {"extra": 1}), "unknown field"),
        (
            lambda line: json.dumps(json.loads(line) | {"certificate": None}),
            "without a certificate",
        ),
        (lambda line: json.dumps(json.loads(line) | {"issuer": "0" * 64}), "issuer of ours"),
        (lambda line: json.dumps(json.loads(line) | {"certificate": "AAAA"}), "is not ours"),
        (lambda line: json.dumps(json.loads(line) | {"requester": "a\0b"}), "contains NUL"),
        (lambda line: json.dumps(json.loads(line) | {"profile": "x" * 201}), "line 1"),
    ],
)
def test_what_is_not_ours_is_not_imported(spoil: Any, why: str, world: World) -> None:
    backup = back_up(world.signer_database)
    request = world.submit("host.test", run=True)
    line, _ = lines(world.web_database)
    restore(world.signer_database, backup)

    with pytest.raises(NotImported, match=why):
        reconcile(
            world.signer_database, world.signer.issuers, [spoil(line)], "operator", world.time()
        )
    assert world.signer_row(request) is None


def test_a_certificate_of_another_request_s_key_is_not_imported(world: World) -> None:
    backup = back_up(world.signer_database)
    world.submit("host.test", run=True)
    world.submit(csr=factories.csr(names=["DNS:other.test"], key_kind="ec:P-384"), run=True)
    first, second, _ = (json.loads(line) for line in lines(world.web_database))
    restore(world.signer_database, backup)

    with pytest.raises(NotImported, match="another key"):
        reconcile(
            world.signer_database,
            world.signer.issuers,
            [json.dumps(first | {"certificate": second["certificate"]})],
            "operator",
            world.time(),
        )


def test_a_certificate_of_another_request_is_not_imported(world: World) -> None:
    """Both are for one key, so that the certificate fits either."""
    backup = back_up(world.signer_database)
    octets = factories.csr(names=["DNS:host.test"])
    for _ in range(2):
        world.submit(csr=octets, run=True)
    first, second, _ = (json.loads(line) for line in lines(world.web_database))
    restore(world.signer_database, backup)

    exported = [json.dumps(one) for one in (first, second | {"certificate": first["certificate"]})]
    with pytest.raises(NotImported, match=r"line 2.*that of another request"):
        reconcile(world.signer_database, world.signer.issuers, exported, "operator", world.time())


def test_a_certificate_that_is_larger_than_any_csr_is_imported(make_world: MakeWorld) -> None:
    many = [f"DNS:n{number:03}.{'.'.join(['a' * 61] * 4)}" for number in range(255)]
    octets = factories.csr(names=[*many, f"DNS:{'b' * 63}.{'c' * 63}"])
    assert len(octets) <= MAX_CSR_BYTES
    rules = '[[rules]]\nname = "all"\nprofiles = ["server"]\naction = "sign"\n'
    world = make_world(policy=f"[profiles.server]\nmax_names = 1000\n{rules}")
    backup = back_up(world.signer_database)
    request_id = world.submit(csr=octets, run=True)
    certificate = world.certificate(request_id)
    assert len(certificate) > MAX_CSR_BYTES
    restore(world.signer_database, backup)
    assert learn(world)["certificate imported"] == 1
    assert world.certificate(request_id) == certificate


@pytest.mark.parametrize("make_world", ["postgresql"], indirect=True)
def test_what_a_worker_moves_meanwhile_is_imported_with_its_state(make_world: MakeWorld) -> None:
    world = make_world()
    request_id = world.submit("host.example.com", run=True)
    backup = back_up(world.signer_database)
    accepted = world.decision(request_id, "accept")
    world.deliver(DECIDE, accepted)
    world.run()
    issued = world.certificate(request_id)
    restore(world.signer_database, backup)
    start_signer(world)

    overtake(world.signer_database, lambda: world.deliver(DECIDE, accepted), lambda: learn(world))
    assert world.signer_row(request_id).state == State.ISSUED
    settle(world)
    assert world.states(request_id) == (State.ISSUED, State.ISSUED)
    assert world.certificate(request_id) == issued


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
