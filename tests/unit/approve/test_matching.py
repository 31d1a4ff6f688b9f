"""Many similar requests at once: what matches, asked once, a signature for each."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pipeline.approve.command import approve
from pipeline.approve.matching import MatchingRefused, read
from pipeline.approve.spool import Spool
from pipeline.approve.waiting import get
from tests.unit.approve.asked import make_csr
from tests.unit.approve.player import play
from tests.unit.approve.world import World, decided

WIDE = {"name": "wide", "action": "approve"}


def run(folder: Path, *arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(approve, [*arguments, "--config", str(folder)], input=typed)


@pytest.fixture
def folder(world: World) -> Path:
    return world.approver()


def accepted(world: World, *ids: str) -> list[str]:
    found = []
    for one in ids:
        request = get(world.database, one)
        assert request is not None
        found += [one] if not request.waits else []
    return found


def test_what_matches_is_listed_confirmed_once_and_each_is_signed(
    world: World, folder: Path
) -> None:
    wanted = [world.add(make_csr([f"h{n}.wide.test"]), rule=WIDE) for n in range(5)]
    other = world.add(make_csr(["h.other.test"]))
    with play(world, folder / "spool"):
        result = run(folder, "accept", "--matching", "rule=wide", "--timeout", "60", typed="y\n")
    assert result.exit_code == 0, result.output
    assert result.output.count("Accept these 5 requests?") == 1
    assert "h4.wide.test" in result.output
    assert accepted(world, *wanted, other) == wanted
    for one in wanted:
        request = get(world.database, one)
        assert request is not None
        assert len(request.decisions) == 1


def test_what_is_asked_about_is_shown_with_nothing_left_out(world: World, folder: Path) -> None:
    """The fourth name was counted only, and neither subject nor uses were shown."""
    names = [f"h{n}.wide.test" for n in range(40)]
    world.add(make_csr([*names, "pay.example.test"], names[0]), rule=WIDE)
    output = run(folder, "accept", "--matching", "rule=wide", typed="n\n").output
    text = " ".join(output.split())
    for name in (*names, "pay.example.test"):
        assert f"DNS:{name}" in text.replace(",", " ").split()
    assert "subject: CN=h0.wide.test" in text
    assert "digital signature, server auth; no CA; 90d (if issued now" in text


def test_what_cannot_be_accepted_is_said_before_it_is_asked_about(
    world: World, folder: Path
) -> None:
    world.add(b"no CSR", rule=WIDE)
    output = run(folder, "accept", "--matching", "rule=wide", typed="n\n").output
    assert "It cannot be accepted. The CSR cannot be shown: There is no CSR" in output


def test_no_is_no(world: World, folder: Path) -> None:
    wanted = world.add(rule=WIDE)
    result = run(folder, "accept", "--matching", "rule=wide", typed="n\n")
    assert result.exit_code == 1
    assert accepted(world, wanted) == []
    assert Spool(folder / "spool").list() == ([], [])


@pytest.mark.parametrize(
    ("conditions", "matches"),
    [
        (["requester=ci"], ["by ci"]),
        (["names=*.a.test"], ["a"]),
        (["names=*.test"], ["a", "a and b"]),
        (["names=*.test", "requester=requester"], ["a", "a and b"]),
        (["names=*.test", "requester=ci"], []),
        (["rule=ci"], ["called so"]),
    ],
)
def test_all_conditions_have_to_hold_and_each_name(
    world: World, folder: Path, conditions: list[str], matches: list[str]
) -> None:
    ids = {
        "a": world.add(make_csr(["x.a.test"])),
        "a and b": world.add(make_csr(["x.a.test", "x.b.test"])),
        "by ci": world.add(requester="ci"),
        "called so": world.add(rule={"name": "ci", "action": "approve"}),
    }
    options = [part for condition in conditions for part in ("--matching", condition)]
    with play(world, folder / "spool"):
        result = run(
            folder,
            "reject",
            *options,
            "--yes",
            "--json",
            "--reason",
            "Not ours.",
            "--timeout",
            "60",
        )
    assert result.exit_code == 0, result.output
    answers: list[Any] = json.loads(result.stdout)["results"]
    assert {one["id"] for one in answers} == {ids[match] for match in matches}


def test_what_is_not_this_approvers_to_decide_does_not_match(world: World, folder: Path) -> None:
    own = world.add(requester="approver", rule=WIDE)
    others = world.add(rule=WIDE | {"approver_names": ["somebody"]})
    done = world.add(rule=WIDE | {"quorum": 2})
    world.record(decided(done), effect="late")
    with play(world, folder / "spool"):
        result = run(folder, "accept", "--matching", "rule=wide", "--yes", "--timeout", "60")
    assert result.exit_code == 0
    assert accepted(world, own, others, done) == [done]


def test_an_own_request_is_not_even_sent(world: World, folder: Path) -> None:
    own = world.add(requester="APPROVER")
    result = run(folder, "accept", own)
    assert result.exit_code == 1
    assert "You asked for this yourself" in " ".join(result.output.split())
    assert Spool(folder / "spool").list() == ([], [])


@pytest.mark.parametrize("text", ["wide", "rule=", "=wide", "rules=wide", "names=*", "names=a b"])
def test_a_condition_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(MatchingRefused):
        read([text])


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["accept"], "ids or --matching"),
        (["accept", "abcd", "--matching", "rule=wide"], "ids or --matching"),
        (["accept", "--matching", "rule=wide", "--json"], "--yes"),
        (["accept", "--matching", "rule=wide", "--digest", "00"], "--digest goes with one ID"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(
    folder: Path, arguments: list[str], problem: str
) -> None:
    result = run(folder, *arguments)
    assert result.exit_code == 2
    assert problem in " ".join(result.output.split())
