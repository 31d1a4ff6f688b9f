"""`httpca audit check-certificates`: whatever is wrong with one that was issued is found."""

import json
from typing import Any

import pytest
from sqlalchemy import Table, update

from pipeline.cli import main
from pipeline.errors import ItemFailed
from pipeline.signer import blocked_keys, tables
from pipeline.signer.audit.check_certificates import CHUNK, Report, check_certificates
from pipeline.signer.lint import Linter
from tests import factories
from tests.flow.conftest import MakeWorld
from tests.flow.world import State, World

Output = pytest.CaptureFixture[str]


def check(world: World, **options: Any) -> Report:
    arguments = {"policy_file": world.policy_file, "since": None, "processes": 1} | options
    return check_certificates(world.signer_database, **arguments)


def kinds(world: World, **options: Any) -> dict[str, int]:
    return check(world, **options).by_kind


def change(world: World, table: Table, request_id: str, **values: Any) -> None:
    column = table.c.id if table is tables.requests else table.c.request_id
    with world.signer_database.write() as connection:
        connection.execute(update(table).where(column == request_id).values(**values))


def test_nothing_is_wrong_with_what_was_issued(world: World) -> None:
    world.submit("a.test", run=True)
    world.submit("b.test", run=True)
    waiting = world.submit("a.example.com", run=True)
    world.decide(waiting, "accept")
    report = check(world)
    assert (report.checked, report.findings) == (3, [])


def other(world: World) -> str:
    return world.submit("other.test", run=True)


CHANGES: dict[str, tuple[Any, str]] = {
    "the state of its request": (
        lambda world, one: change(world, tables.requests, one, state=State.FAILED),
        "state",
    ),
    "its TBS": (
        lambda world, one: change(world, tables.tbs, one, octets=b"\x30\x00"),
        "certificate",
    ),
    "the serial number of its TBS": (
        lambda world, one: change(world, tables.tbs, one, serial="0" * 40),
        "tbs",
    ),
    "its CSR": (
        lambda world, one: change(
            world, tables.submissions, one, csr=factories.csr(["DNS:evil.test"])
        ),
        "certificate",
    ),
    "its CSR, into nothing": (
        lambda world, one: change(world, tables.submissions, one, csr=b""),
        "csr",
    ),
    "its certificate": (
        lambda world, one: change(
            world, tables.certificates, one, certificate=world.certificate(other(world))
        ),
        "audit",
    ),
    "one bit of its signature": (
        lambda world, one: change(
            world,
            tables.certificates,
            one,
            certificate=world.certificate(one)[:-1] + bytes([world.certificate(one)[-1] ^ 1]),
        ),
        "certificate",
    ),
    "its issuer": (
        lambda world, one: change(world, tables.certificates, one, issuer="0" * 64),
        "issuer",
    ),
    "its serial number": (
        lambda world, one: change(world, tables.certificates, one, serial="0" * 40),
        "certificate",
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_was_changed_is_found(world: World, what: str) -> None:
    one = world.submit("a.test", run=True)
    make, kind = CHANGES[what]
    make(world, one)
    assert kind in kinds(world)


@pytest.mark.parametrize("profile", [["ca"], 7, {"lint": 5}])
def test_a_record_that_was_spoilt_hides_no_other(world: World, profile: Any) -> None:
    one = world.submit("a.test", run=True)
    change(world, tables.certificates, world.submit("b.test", run=True), serial="0" * 40)
    change(world, tables.submissions, one, profile=profile)
    report = check(world)
    assert (report.checked, report.by_kind["record"], report.by_kind["certificate"]) == (2, 1, 1)


@pytest.mark.parametrize("column", ["certificate", "chain", "root"])
def test_an_issuer_on_record_that_was_spoilt_is_found(world: World, column: str) -> None:
    world.submit("a.test", run=True)
    with world.signer_database.write() as connection:
        connection.execute(update(tables.issuers).values({column: b"0"}))
    assert kinds(world) == {"issuer": 1}


@pytest.mark.parametrize(
    "field", [{"extended_key_usage": ["client_auth"]}, {"validity": "1d"}, {"key_usage": []}]
)
def test_what_is_not_by_its_profile_is_found(world: World, field: dict[str, Any]) -> None:
    one = world.submit("a.test", run=True)
    with world.signer_database.read() as connection:
        row = tables.submissions.select().where(tables.submissions.c.request_id == one)
        profile = connection.execute(row).one().profile
    change(world, tables.submissions, one, profile=profile | field)
    assert kinds(world) == {"profile": 1}


def test_what_today_s_policy_would_reject_is_found_unless_that_does_not_matter(
    world: World,
) -> None:
    world.submit("a.test", run=True)
    world.policy_file.write_text(world.policy_file.read_text().replace("*.invalid", "a.test"))
    assert kinds(world) == {"policy": 1}
    assert kinds(world, policy_file=None) == {}


def test_a_certificate_for_a_key_that_was_blocked_since_is_found(world: World) -> None:
    world.submit("a.test", run=True)
    name = factories.read_csr("DNS:a.test").key.fingerprint
    blocked_keys.block(world.signer_database, [name], "It leaked.", "operator", world.time())
    assert kinds(world) == {"blocked-key": 1}


def test_what_no_lint_would_let_through_fails_and_what_got_by_is_found(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = """
    [profiles.server]
    lint = ["cabf-tls"]
    [[rules]]
    name = "all"
    action = "sign"
    """
    world = make_world(policy=policy)
    failed = world.signer_row(world.submit("a.test", run=True))
    assert failed.state == State.FAILED
    assert "the certificate would not be a good one: " in failed.reason
    assert kinds(world) == {}
    monkeypatch.setattr(Linter, "ensure_clean", lambda *_arguments, **_options: None)
    assert world.signer_row(world.submit("a.test", run=True)).state == State.ISSUED
    assert kinds(world)["lint"] > 1


def test_what_fails_its_lint_has_no_tbs_and_harms_nobody_in_its_batch(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Linter.ensure_clean

    def refuse(self: Linter, made: Any, profile: Any, **options: Any) -> None:
        if b"bad.test" in made.certificate:
            raise ItemFailed("a finding")
        original(self, made, profile, **options)

    monkeypatch.setattr(Linter, "ensure_clean", refuse)
    ids = [world.submit(f"{name}.test") for name in ("a", "bad", "b")]
    world.run()
    assert [world.signer_row(one).state for one in ids] == [
        State.ISSUED,
        State.FAILED,
        State.ISSUED,
    ]
    assert world.signer_row(ids[1]).reason == "a finding"
    with world.signer_database.read() as connection:
        stored = connection.execute(tables.tbs.select()).all()
    assert {row.request_id for row in stored} == {ids[0], ids[2]}


@pytest.mark.parametrize("make_world", ["sqlite"], indirect=True)
def test_several_processes_find_the_same_and_since_leaves_out_what_is_older(
    world: World, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.signer.audit.check_certificates.CHUNK", 3)
    assert CHUNK > 3
    ids = [world.submit(f"h{number}.test", run=True) for number in range(8)]
    world.time.move(days=2)
    border = world.time()
    ids += [world.submit(f"h{number}.test", run=True) for number in range(8, 10)]
    change(world, tables.requests, ids[9], state=State.FAILED)
    assert check(world, since=border).checked == 2
    for processes in (1, 2):
        report = check(world, processes=processes)
        assert (report.checked, report.certificates, report.by_kind) == (10, 1, {"state": 1})

    config = str(world.directory / "signer")
    arguments = ["audit", "check-certificates", "--config", config, "--processes", "1"]
    capsys.readouterr()
    assert main([*arguments, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["findings"][0]["kind"] == "state"
    assert ids[9] in found["findings"][0]["sentence"]
    change(world, tables.requests, ids[9], state=State.ISSUED)
    assert main([*arguments, "--since", border.isoformat()]) == 0
    assert "2 certificates were checked; nothing is wrong" in capsys.readouterr().out
