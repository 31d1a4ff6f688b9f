"""`httpca policy` and `httpca requests re-evaluate`: what a policy would do, does, and has changed."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from pipeline.cli import main
from pipeline.database.advance import admit
from pipeline.database.engine import open_database
from pipeline.signer.policy_file import load
from pipeline.signer.policy_record import in_force, note_policy, note_problem
from pipeline.signer.tables import ledger, requests, submissions
from pipeline.states import State
from settings.signer import load_signer
from tests.factories import NOW, csr, openssl_csr

Output = pytest.CaptureFixture[str]

OLD = """
[profiles.server]
extended_key_usage = ["server_auth"]
[[rules]]
name = "ours"
every_name = ["*.test"]
action = "approve"
"""
NEW = (
    """
[groups]
build = ["ci"]
[approvers]
security = ["approver-a", "approver-b"]
"""
    + OLD
    + """quorum = 2
approvers = "security"
groups = ["build"]
[[rules]]
name = "by day"
every_name = ["*.test"]
hours = "12:00-13:00"
action = "sign"
"""
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A signer's folder with a migrated database and the old policy."""
    assert main(["setup", str(tmp_path / "ca")]) == 0
    signer = tmp_path / "ca" / "signer"
    assert main(["migrate", "--config", str(signer)]) == 0
    (signer / "policy.toml").write_text(OLD)
    return signer


def put(home: Path, number: int, name: str, requester: str | None, minutes: int) -> str:
    """Put a request that waits into the signer's database; return its id."""
    database = open_database(load_signer(home).database)
    request_id = f"01963d2a-0000-7000-8000-{number:012}"
    state, at = State.WAITING_FOR_APPROVAL, NOW + timedelta(minutes=minutes)
    row = {"id": request_id, "state": state, "revision": 1, "told_revision": 0, "tell_at": at}
    with database.write() as connection:
        admit(connection, ledger, "policy", [row], at)
        connection.execute(
            insert(submissions).values(
                request_id=request_id,
                csr=csr([f"DNS:{name}"]),
                profile_name="server",
                requester=requester,
                source="api",
                submitted_at=at,
                profile={},
                rule={"name": "ours"},
                issuer="0" * 64,
                policy_digest="0" * 64,
            )
        )
    database.dispose()
    return request_id


def files(folder: Path) -> tuple[str, str]:
    old, new = folder / "old.toml", folder / "new.toml"
    old.write_text(OLD)
    new.write_text(NEW)
    return str(old), str(new)


def told(capsys: Output, *arguments: str) -> Any:
    capsys.readouterr()
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_an_explanation_shows_the_certificate_that_would_result(
    home: Path, tmp_path: Path, capsys: Output
) -> None:
    file = tmp_path / "csr.pem"
    file.write_bytes(openssl_csr(names=("DNS:www.example.test",), subject="/CN=www.example.test"))
    found = told(capsys, "policy", "explain", str(file), "--config", str(home))
    made = found["certificate"]
    assert made["subject"] == "CN=www.example.test"
    assert made["names"] == ["DNS:www.example.test"]
    assert made["extensions"]["keyUsage"] == {"critical": True, "value": "digital_signature"}
    assert made["extensions"]["extendedKeyUsage"]["value"] == "server_auth"
    assert main(["policy", "explain", str(file), "--config", str(home)]) == 0
    shown = capsys.readouterr().out
    assert f"Issuer:  {made['issuer']}" in shown
    assert "Valid:   " in shown


def test_an_explanation_supposes_group_and_time(tmp_path: Path, capsys: Output) -> None:
    file = tmp_path / "csr.pem"
    file.write_bytes(openssl_csr(names=("DNS:www.example.test",)))
    _, new = files(tmp_path)
    asked = ["policy", "explain", str(file), "--policy", new, "--at"]
    assert told(capsys, *asked, "2026-05-17T12:30")["rule"] == "by day"
    assert told(capsys, *asked, "2026-05-17T13:00")["rule"] == "default"
    found = told(capsys, *asked, "2026-05-17T13:00", "--group", "build")
    assert (found["rule"], found["quorum"]) == ("ours", 2)
    assert found["approvers"] == ["approver-a", "approver-b"]
    assert main([*asked, "2026-05-17T13:00", "--group", "biuld"]) == 2
    assert "no group biuld; it has: build" in capsys.readouterr().err


def test_what_is_rejected_has_no_certificate_to_show(tmp_path: Path, capsys: Output) -> None:
    file = tmp_path / "csr.pem"
    file.write_bytes(openssl_csr(names=("DNS:www.example.test",)))
    old, _ = files(tmp_path)
    asked = ["policy", "explain", str(file), "--policy", old, "--profile", "none"]
    assert told(capsys, *asked)["certificate"] is None


def test_a_new_policy_is_compared_with_the_old_on_real_requests(
    home: Path, tmp_path: Path, capsys: Output
) -> None:
    by_group = put(home, 1, "a.test", "ci", minutes=60)
    by_day = put(home, 2, "b.test", None, minutes=0)
    put(home, 3, "c.test", None, minutes=60)  # waits for one approver under both
    asked = ["policy", "diff", *files(tmp_path), "--config", str(home)]
    found = told(capsys, *asked)
    assert (found["looked_at"], found["unreadable"]) == (3, 0)
    different = {one["id"]: one for one in found["different"]}
    assert set(different) == {by_group, by_day}
    assert different[by_day]["differs_in"] == ["action"]
    assert different[by_day]["new"]["rule"] == "by day"
    assert different[by_group]["differs_in"] == ["quorum", "approvers"]
    assert different[by_group]["new"]["approvers"] == ["approver-a", "approver-b"]

    assert main(asked) == 0
    shown = capsys.readouterr().out
    assert "1 approve → sign" in shown
    assert "2 of 3 requests would meet another verdict." in shown
    assert told(capsys, *asked, "--last", "1")["looked_at"] == 1
    same = told(capsys, "policy", "diff", asked[2], asked[2], "--config", str(home))
    assert same["different"] == []


def test_operators_see_which_policy_is_in_force_and_what_is_wrong_with_its_file(
    home: Path, capsys: Output
) -> None:
    config = ["--config", str(home)]
    assert main(["policy", "status", *config]) == 0
    assert "no policy is in force" in capsys.readouterr().out
    database = open_database(load_signer(home).database)
    note_policy(database, load(home / "policy.toml"), NOW)
    note_problem(database, "policy.toml: rules[0].action (line 6): found 'no\x1b'", NOW)
    assert main(["policy", "status", *config]) == 0
    shown = capsys.readouterr().out
    assert "The policy file is wrong since 2026-05-17 12:30 UTC" in shown
    assert "\x1b" not in shown
    assert main(["requests", "list", *config]) == 0
    assert "stays in force" in capsys.readouterr().out
    note_problem(database, "", NOW)
    row = in_force(database)
    database.dispose()
    assert row is not None
    found = told(capsys, "policy", "status", *config)
    assert (found["digest"], found["problem"]) == (row.digest, None)


def test_waiting_requests_are_put_under_the_policy_of_now(home: Path, capsys: Output) -> None:
    first, second = (put(home, number, f"h{number}.test", None, 0) for number in (1, 2))
    config = ["--config", str(home)]
    found = told(capsys, "requests", "re-evaluate", first, *config)
    assert [one["id"] for one in found["re_evaluated"]] == [first]
    found = told(capsys, "requests", "re-evaluate", "--all-waiting", *config)
    assert [one["id"] for one in found["re_evaluated"]] == [second]
    assert found["re_evaluated"][0]["state"] == "waiting_for_approval"
    assert told(capsys, "requests", "re-evaluate", "--all-waiting", *config)["re_evaluated"] == []
    assert main(["requests", "re-evaluate", *config]) == 2
    assert main(["requests", "re-evaluate", first, "--all-waiting", *config]) == 2
    assert main(["requests", "re-evaluate", "00000000-0000-4000-8000-000000000000", *config]) == 3
    database = open_database(load_signer(home).database)
    with database.read() as connection:
        assert set(connection.scalars(select(requests.c.revision))) == {2}
    database.dispose()


def test_a_policy_that_would_not_take_effect_re_evaluates_nothing(
    home: Path, capsys: Output
) -> None:
    request_id = put(home, 1, "a.test", None, 0)
    (home / "policy.toml").write_text(NEW)  # nobody of its set is trusted here
    assert main(["requests", "re-evaluate", request_id, "--config", str(home)]) == 1
    assert "asks for 2 approvers, and this signer trusts 0" in capsys.readouterr().err


A_CA = """
[profiles.branch]
ca = true
names = []
key_usage = ["key_cert_sign"]
permitted_subtrees = ["DNS:branch.example.test"]
"""


def test_a_profile_of_cas_for_which_there_is_no_room_is_told_before(
    home: Path, tmp_path: Path, capsys: Output
) -> None:
    file = home / "policy.toml"
    file.write_text(OLD + A_CA)
    assert main(["policy", "check", str(file)]) == 0
    assert main(["policy", "check", str(file), "--config", str(home)]) == 1
    assert "its issuing CA 'issuing' allows 0 CAs below it" in capsys.readouterr().err
    asked = tmp_path / "branch.csr"
    asked.write_bytes(openssl_csr(names=(), subject="/CN=Branch CA"))
    assert (
        main(["policy", "explain", str(asked), "--profile", "branch", "--config", str(home)]) == 0
    )
    assert "It could not be issued: the issuing CA issuing allows 0 CAs below it" in (
        capsys.readouterr().out
    )


def test_with_room_below_an_explanation_shows_the_ca_to_be(tmp_path: Path, capsys: Output) -> None:
    assert main(["setup", str(tmp_path / "ca"), "--ca-path-length", "1"]) == 0
    home = tmp_path / "ca" / "signer"
    (home / "policy.toml").write_text(OLD + A_CA)
    assert main(["policy", "check", str(home / "policy.toml"), "--config", str(home)]) == 0
    asked = tmp_path / "branch.csr"
    options = ("-addext", "basicConstraints=critical,CA:TRUE,pathlen:2")
    asked.write_bytes(openssl_csr(names=(), subject="/O=Example/CN=Branch CA", options=options))
    capsys.readouterr()
    assert (
        main(["policy", "explain", str(asked), "--profile", "branch", "--config", str(home)]) == 0
    )
    said = capsys.readouterr().out
    assert "Ignored: subject O=Example" in said
    assert "Ignored: extension basicConstraints (to be a CA, path length 2)" in said
    assert "basicConstraints (critical): a CA, path length 0" in said
    assert "nameConstraints (critical): only for DNS:branch.example.test" in said


def test_a_path_length_that_no_chain_has_is_refused(tmp_path: Path, capsys: Output) -> None:
    assert main(["setup", str(tmp_path / "ca"), "--ca-path-length", "9"]) == 1
    assert "--ca-path-length: found 9; allowed are 0 to 8" in capsys.readouterr().err
