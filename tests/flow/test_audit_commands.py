"""`httpca audit` as an auditor uses it, on the folder of a signer."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from pipeline.database.append_only import statements
from pipeline.run.signer_clock import SignerClock
from pipeline.signer.tables import audit, certificates
from tests.flow.audit_log import unlock
from tests.flow.checkpoints import checkpoint_and_deliver, issue, told
from tests.flow.world import World


@pytest.fixture
def world(tmp_path: Path) -> Any:
    """A world whose databases the settings in its folder name."""
    made = World(tmp_path / "world")
    yield made
    made.close()


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    capsys.readouterr()  # what the sides have logged
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_an_auditor_verifies_with_what_they_kept(
    world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    issue(world, "a.test")
    kept = tmp_path / "kept.txt"
    kept.write_text(checkpoint_and_deliver(world).note)
    signer = world.directory / "signer"

    code, out, _ = run(
        capsys, "audit", "verify", "--config", signer, "--checkpoint", kept, "--json"
    )
    found = json.loads(out)
    assert (code, found["verified"], found["checkpoints"]) == (0, True, 3)
    assert found["certificates"] == 1
    code, out, _ = run(capsys, "audit", "verify", "--config", signer)
    assert "Nothing was changed, removed or inserted before the newest of these check" in out

    with world.signer_database.write() as connection:
        unlock(connection)
        connection.execute(audit.update().where(audit.c.id == 2).values(event="x"))
        for statement in statements("sqlite", "audit"):
            connection.exec_driver_sql(statement)
    code, out, _ = run(capsys, "audit", "verify", "--config", signer, "--checkpoint", kept)
    assert code == 1
    assert "WRONG (changed): entry 2 (leaf 1) is not what was sequenced" in out
    assert "1 things are wrong." in out


def test_without_a_checkpoint_nothing_is_proved(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    signer = world.directory / "signer"
    issue(world, "a.test")
    code, out, _ = run(capsys, "audit", "verify", "--config", signer)
    assert (code, out.splitlines()[-1]) == (
        0,
        "There is no checkpoint to compare with, so this proves nothing yet.",
    )


def test_who_has_no_key_or_policy_is_told_the_option(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    signer = world.directory / "signer"
    (signer / "audit.vkey").unlink()
    (signer / "policy.toml").unlink()
    for verb, option in (("verify", "--key"), ("check-certificates", "--no-policy")):
        code, _, err = run(capsys, "audit", verb, "--config", signer)
        assert (code, option in err) == (1, True)
    assert run(capsys, "audit", "check-certificates", "--no-policy", "--config", signer)[0] == 0


def test_who_changes_the_log_cannot_write_the_verdict_upon_it(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """A serial number of their own clears the screen, and says that all is well."""
    request = issue(world, "a.test")
    checkpoint_and_deliver(world)
    fake = "\x1b[2J\x1b[HNothing was changed, removed or inserted.\x1b[8m"
    with world.signer_database.write() as connection:
        unlock(connection)
        connection.execute(certificates.update().values(serial=fake))
        mine = audit.c.request_id == request
        connection.execute(audit.update().where(mine).values(event=fake, request_id=None))
        for table in ("audit", "audit_leaves", "audit_nodes", "audit_checkpoints"):
            for statement in statements("sqlite", table):
                connection.exec_driver_sql(statement)
    signer = world.directory / "signer"
    code, out, _ = run(capsys, "audit", "verify", "--config", signer)
    assert code == 1
    assert "no entry tells of the certificate \\x1b[2J" in out
    assert "\x1b" not in out
    assert "\x1b" not in run(capsys, "audit", "list", "--config", signer)[1]


def test_the_web_sides_list_serves_as_kept_checkpoints(
    world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    issue(world, "a.test")
    note = checkpoint_and_deliver(world).note
    listed = tmp_path / "checkpoints.json"
    listed.write_text(json.dumps({"checkpoints": [{"note": note, "size": 1}]}))
    arguments = ("audit", "verify", "--config", world.directory / "signer", "--checkpoint", listed)
    assert run(capsys, *arguments)[0] == 0
    for wrong in ('{"checkpoints": 1}', "", "no note\n", note.replace("\n\n", "\nx\n\n")):
        listed.write_text(wrong)
        code, _, err = run(capsys, *arguments)
        assert code == 1
        assert f"Error: {listed}: " in err


def test_a_proof_is_checked_without_database_and_network(
    world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    request = issue(world, "a.test")
    other = issue(world, "b.test")
    signer = world.directory / "signer"
    code, _, err = run(capsys, "audit", "prove", request, "--config", signer)
    assert code == 5
    assert "no place in the log yet" in err
    checkpoint_and_deliver(world)
    code, out, _ = run(capsys, "audit", "prove", request, "--config", signer)
    assert code == 0
    file, key = tmp_path / "proof.json", tmp_path / "log.vkey"
    file.write_text(out)
    key.write_text((signer / "audit.vkey").read_text())
    serial = json.loads(json.loads(out)["entry"])["details"]["serial"]

    code, out, _ = run(capsys, "audit", "check-proof", file, "--key", key)
    assert code == 0
    assert f"The certificate with serial {serial} is on record: entry" in out
    assert request in out
    code, out, _ = run(
        capsys, "audit", "check-proof", file, "--key", key.read_text().strip(), "--json"
    )
    assert json.loads(out)["entry"]["request_id"] == request
    code, again, _ = run(capsys, "audit", "prove", serial.lstrip("0"), "--config", signer)
    assert json.loads(again)["entry"] == json.loads(file.read_text())["entry"]

    proofs = {one: json.loads(run(capsys, "audit", "prove", one, "--config", signer)[1])
              for one in (request, other)}  # fmt: skip
    mine, theirs = proofs[request], proofs[other]
    for changed, says in (
        (mine | {"entry": mine["entry"].replace("a.test", "").replace("sign", "sing")}, "not leaf"),
        (mine | {"leaf": mine["leaf"] + 1}, "not leaf"),
        (mine | {"path": theirs["path"]}, "not leaf"),
        (mine | {"certificate": theirs["certificate"]}, "another certificate"),
        (
            mine | {"checkpoint": mine["checkpoint"].replace("\n\n", "\nx\n\n")},
            "not to be believed",
        ),
        (mine | {"more": 1}, "no proof"),
        ({}, "no proof"),
    ):
        file.write_text(json.dumps(changed))
        code, _, err = run(capsys, "audit", "check-proof", file, "--key", key)
        assert code == 1
        assert says in err

    file.write_text(json.dumps(mine))
    for name, expected in ((request, 0), (other, 1)):
        pem = tmp_path / f"{name}.pem"
        pem.write_text(proofs[name]["certificate"])
        arguments = ("audit", "check-proof", file, "--key", key, "--certificate", pem)
        assert run(capsys, *arguments)[0] == expected


def test_what_does_not_exist_is_not_proved(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    signer = world.directory / "signer"
    for wanted in ("f00d", "0195e3c2-7a1b-7c00-8000-000000000001", "no such thing"):
        code, _, err = run(capsys, "audit", "prove", wanted, "--config", signer)
        assert code == 3
        assert wanted in err


def test_entries_are_listed_by_request_event_and_time(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    request = issue(world, "a.test")
    issue(world, "b.test")
    world.signer_clock.sequence()
    listing = ("audit", "list", "--config", world.directory / "signer")

    def listed(*arguments: str) -> list[dict[str, Any]]:
        code, out, _ = run(capsys, *listing, "--json", *arguments)
        assert code == 0
        found: list[dict[str, Any]] = json.loads(out)["entries"]
        return found

    everything = listed()
    assert [one["leaf"] for one in everything] == list(range(len(everything)))
    assert [one["details"]["to"] for one in listed("--request", request)] == [
        "waiting_for_signature",
        "issued",
    ]
    assert {one["event"] for one in listed("--event", "policy-loaded")} == {"policy-loaded"}
    assert listed("--limit", "2") == everything[-2:]
    at = everything[3]["at"]
    assert listed("--since", at) == everything[3:]
    assert listed("--until", at) == everything[:3]
    assert listed("--until", "2001-01-01") == []
    assert run(capsys, *listing, "--since", "yesterday")[0] == 2
    assert request in run(capsys, *listing)[1]
    assert "no such entry" in run(capsys, *listing, "--event", "x")[1]


def test_who_made_the_schema_is_on_record(
    world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    signer = world.directory / "signer"
    settings = signer / "settings.toml"
    old = "sqlite:///data/signer.db"
    assert old in settings.read_text()
    settings.write_text(settings.read_text().replace(old, "sqlite:///data/other.db"))

    assert run(capsys, "migrate", "--config", signer)[0] == 0
    assert run(capsys, "migrate", "--config", signer)[0] == 0

    listed = json.loads(run(capsys, "audit", "list", "--config", signer, "--json")[1])["entries"]
    assert [(one["event"], one["details"]["after"]) for one in listed] == [
        ("schema-migrated", "signer_0001")
    ]
    assert listed[0]["details"]["operator"]


def test_a_new_key_is_made_only_where_there_is_none(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    signer = world.directory / "signer"
    issue(world, "a.test")
    checkpoint_and_deliver(world)
    code, _, err = run(capsys, "audit", "new-key", "--config", signer)
    assert code == 1
    assert "move it away first" in err
    (signer / "audit.key").rename(signer / "old.key")

    code, out, _ = run(capsys, "audit", "new-key", "--config", signer, "--json")

    assert code == 0
    assert (signer / "audit.vkey").read_text().split("\n")[1] == json.loads(out)["key"]
    assert run(capsys, "audit", "verify", "--config", signer)[0] == 0
    events = json.loads(run(capsys, "audit", "list", "--config", signer, "--json")[1])["entries"]
    assert events[-1]["event"] == "audit-key-made"
    world.signer_clock = SignerClock(world.signer)
    checkpoint_and_deliver(world)
    assert run(capsys, "audit", "verify", "--config", signer)[0] == 0
    first, second = told(world)
    assert (second.extends, second.origin != first.origin) == (first.size, True)
    for key in ("nonsense", str(signer / "settings.toml")):
        assert run(capsys, "audit", "verify", "--config", signer, "--key", key)[0] == 1


def test_who_changes_the_database_cannot_write_what_is_said_of_its_error(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """SQLite keeps text that is none, and quotes it when it cannot be read."""
    issue(world, "a.test")
    octets = b"\xff\x1b[2JNothing was changed."
    with world.signer_database.write() as connection:
        connection.exec_driver_sql("UPDATE requests SET reason = CAST(? AS TEXT)", (octets,))
    code, _, err = run(capsys, "requests", "list", "--config", world.directory / "signer")
    assert (code, "\\x1b[2JNothing was changed." in err, "\x1b" in err) == (1, True, False)


@pytest.mark.parametrize("details", [[1], None, "x"])
def test_an_entry_of_another_form_is_listed_like_all_others(
    world: World, capsys: pytest.CaptureFixture[str], details: object
) -> None:
    request = issue(world, "a.test")
    with world.signer_database.write() as connection:
        unlock(connection)
        mine = audit.c.request_id == request
        connection.execute(audit.update().where(mine).values(details=details))
        for table in ("audit", "audit_leaves", "audit_nodes", "audit_checkpoints"):
            for statement in statements("sqlite", table):
                connection.exec_driver_sql(statement)
    code, out, _ = run(capsys, "audit", "list", "--config", world.directory / "signer")
    assert (code, f"{request}  {details}" in out) == (0, True)
