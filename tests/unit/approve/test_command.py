"""The verbs of `httpca approve` and their exit codes."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.approve.command import approve
from pipeline.approve.desk import Desk
from pipeline.approve.spool import Spool
from tests.unit.approve.asked import NOON, make_csr
from tests.unit.approve.commanded import ONE, loaded, run, words
from tests.unit.approve.player import play
from tests.unit.approve.world import World, decided, make

TWO = "01963d2a-ffff-7000-8000-00000000000b"


@contextmanager
def signer(world: World, folder: Path) -> Iterator[None]:
    """Play the signer while the block runs."""
    with play(world, folder / "spool"):
        yield


def test_list_says_that_nothing_waits(folder: Path) -> None:
    result = run("list", config=folder)
    assert (result.exit_code, result.stdout) == (0, "Nothing waits for approval.\n")


def test_a_variable_names_the_folder(folder: Path) -> None:
    result = CliRunner().invoke(approve, ["list"], env={"HTTPCA_APPROVER": str(folder)})
    assert (result.exit_code, result.stdout) == (0, "Nothing waits for approval.\n")


def test_list_shows_what_waits_and_says_how_much_more(world: World, folder: Path) -> None:
    for hours in range(3):
        world.add(created_at=NOON + timedelta(hours=hours))
    result = run("list", "--limit", "2", config=folder)
    assert result.exit_code == 0
    assert result.stdout.count("www.example.com") == 2
    assert "… and 1 more" in result.stdout


def test_list_as_json(world: World, folder: Path) -> None:
    world.add(make_csr(["xn--mnchen-3ya.example"]), request_id=ONE, requester="\x1b[31m\x7fé")
    result = run("list", "--json", config=folder)
    answer = loaded(result)
    assert answer["waiting"] == 1
    (request,) = answer["requests"]
    assert request["id"] == ONE
    assert request["names"] == ["DNS:xn--mnchen-3ya.example"]
    assert request["requester"] == "\x1b[31m\x7fé"
    assert "\x1b" not in result.stdout
    assert "\x7f" not in result.stdout


def test_show_shows_one_request_by_the_beginning_of_its_id(world: World, folder: Path) -> None:
    world.add(request_id=ONE)
    result = run("show", ONE[:10], config=folder)
    assert result.exit_code == 0
    assert ONE in result.stdout
    assert "The certificate would contain" in result.stdout
    assert "\x1b" not in result.stdout


def test_show_as_json_has_all_that_the_digest_covers(world: World, folder: Path) -> None:
    world.add(request_id=ONE, comment="why")
    answer = loaded(run("show", ONE, "--json", config=folder))
    assert {"id", "csr", "requester", "profile_snapshot", "rule", "issuer", "digest"} <= set(answer)
    assert answer["comment"] == "why"
    assert answer["state"] == "waiting_for_approval"
    assert answer["certificate"]["names"] == ["DNS:www.example.com"]
    assert answer["decisions"] == []


def test_accept_waits_until_the_signer_has_recorded_it(world: World, folder: Path) -> None:
    world.add(request_id=ONE)
    with signer(world, folder):
        result = run("accept", ONE, config=folder)
    assert result.exit_code == 0
    assert f"{ONE}: Accepted: your decision is recorded and stands." in words(result)
    assert "The certificate would contain" in result.stdout  # what was signed was shown
    assert Spool(folder / "spool").list() == ([], [])


def test_reject_sends_its_reason(world: World, folder: Path) -> None:
    world.add(request_id=ONE)
    with signer(world, folder):
        result = run("reject", ONE, "--reason", "unknown host", "--json", config=folder)
    assert result.exit_code == 0
    (answer,) = loaded(result)["results"]
    assert (answer["result"], answer["state"]) == ("counted", "rejected")
    assert answer["decisions"][0]["reason"] == "unknown host"


@pytest.mark.parametrize("reason", [[], ["--reason", ""], ["--reason", "  "]])
def test_reject_without_a_reason_is_refused_with_a_sentence(
    world: World, folder: Path, reason: list[str]
) -> None:
    world.add(request_id=ONE)
    result = run("reject", ONE, *reason, config=folder)
    assert result.exit_code == 1
    assert "A rejection needs a reason" in result.stderr
    assert Spool(folder / "spool").list() == ([], [])


def test_several_are_accepted_together_each_with_a_signature_of_its_own(
    world: World, folder: Path
) -> None:
    ids = [world.add() for _ in range(3)]
    with signer(world, folder):
        result = run("accept", *ids, "--json", config=folder)
    assert result.exit_code == 0
    results = loaded(result)["results"]
    assert [answer["id"] for answer in results] == ids
    assert len({answer["message"] for answer in results}) == 3


def test_an_id_given_twice_is_decided_once(world: World, folder: Path) -> None:
    world.add(request_id=ONE)
    with signer(world, folder):
        result = run("accept", ONE, ONE[:12], "--json", config=folder)
    assert len(loaded(result)["results"]) == 1


def test_what_is_not_confirmed_in_time_ends_with_5_and_the_next_run_sends_it(
    world: World, folder: Path
) -> None:
    world.add(request_id=ONE)
    result = run("accept", ONE, "--timeout", "0.2", config=folder)
    assert result.exit_code == 5
    assert "stays in the spool" in words(result)
    assert len(Spool(folder / "spool").list()[0]) == 1
    with signer(world, folder):
        result = run("list", config=folder)
    assert result.exit_code == 0
    assert f"Your earlier decision to accept {ONE}: Accepted" in result.stderr
    assert result.stdout == "Nothing waits for approval.\n"
    assert Spool(folder / "spool").list() == ([], [])


def test_accepting_what_another_rejected_ends_with_4_and_says_who_what_and_when(
    world: World, folder: Path
) -> None:
    world.add(request_id=ONE)
    world.record(decided(ONE, "reject", "unknown host"), "other")
    result = run("accept", ONE, config=folder)
    assert result.exit_code == 4
    said = "rejected by other on 2026-03-01 12:00 UTC: “unknown host” Nothing was sent."
    assert said in words(result)
    result = run("accept", ONE, "--json", config=folder)
    assert result.exit_code == 4
    assert loaded(result)["results"][0]["message"] is None


def test_accepting_what_another_accepted_ends_with_0(world: World, folder: Path) -> None:
    world.add(request_id=ONE)
    world.record(decided(ONE, "accept"), "other")
    result = run("accept", ONE, config=folder)
    assert result.exit_code == 0
    assert "It was accepted by other on 2026-03-01 12:00 UTC. Nothing was sent." in words(result)


def test_an_unknown_id_ends_with_3_and_nothing_is_sent(world: World, folder: Path) -> None:
    world.add(request_id=ONE)
    result = run("accept", ONE, "ffffffff", config=folder)
    assert result.exit_code == 3
    assert "There is no request ffffffff" in result.stderr
    assert Spool(folder / "spool").list() == ([], [])


def test_an_ambiguous_id_is_a_matter_of_usage(world: World, folder: Path) -> None:
    world.add(request_id=ONE)
    world.add(request_id=TWO)
    result = run("accept", "01963d2a", config=folder)
    assert result.exit_code == 2
    assert ONE in result.stderr


@pytest.mark.parametrize("code", ["right", "wrong"])
def test_accept_can_be_tied_to_what_was_looked_at(world: World, folder: Path, code: str) -> None:
    world.add(request_id=ONE)
    digest = loaded(run("show", ONE, "--json", config=folder))["digest"]
    if code == "wrong":
        digest = "0" * 64
    with signer(world, folder):
        result = run("accept", ONE, "--digest", digest, config=folder)
    assert result.exit_code == (0 if code == "right" else 1)
    if code == "wrong":
        assert "has another digest. Nothing was sent." in result.stderr


def test_the_configuration_may_stand_before_the_verb(folder: Path) -> None:
    result = CliRunner().invoke(approve, ["--config", str(folder), "list"])
    assert result.exit_code == 0


def test_a_decision_under_way_is_taken_up_again(world: World, folder: Path, desk: Desk) -> None:
    world.add(request_id=ONE)
    spooled = make(desk, ONE)
    result = run("accept", ONE, "--timeout", "0.2", "--json", config=folder)
    assert result.exit_code == 5
    assert loaded(result)["results"][0]["message"] == spooled.message_id
    assert len(desk.spool.list()[0]) == 1
