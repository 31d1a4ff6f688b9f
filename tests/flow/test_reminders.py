"""Approvers are reminded, by a hook, of what waits for longer than its rule allows."""

import dataclasses
import json
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pipeline.run import reminding
from settings.reminders import Reminders
from tests.flow.conftest import MakeWorld
from tests.flow.world import World

RULES = """
[profiles.server]
extended_key_usage = ["server_auth"]
[[rules]]
name = "soon"
every_name = ["*.soon.test"]
action = "approve"
remind_after = "4h"
"""


def hooked(world: World, folder: Path, line: str = "cat >> {out}; echo >> {out}") -> Path:
    """Let the signer's clock run a script; return the file into which it writes."""
    out, script = folder / "out", folder / "hook"
    script.write_text("#!/bin/sh\n" + line.format(out=out) + "\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    clock = world.signer_clock
    hook = Reminders(command=[str(script)], timeout=60)
    settings = msgspec.structs.replace(clock.side.settings, reminders=hook)
    clock.side = dataclasses.replace(clock.side, settings=settings)
    return out


def told(out: Path) -> list[list[str]]:
    """Return the names of the requests of each call of the hook."""
    lines: list[Any] = [json.loads(line) for line in out.read_text().splitlines() if line]
    return [[request["names"][0] for request in line["requests"]] for line in lines]


def test_each_request_is_told_once_in_each_period_of_its_rule(
    make_world: MakeWorld, tmp_path: Path
) -> None:
    world = make_world(policy=RULES)
    out = hooked(world, tmp_path)
    first = world.submit("a.soon.test", requester="ci", run=True)
    world.submit("never.test", run=True)
    world.signer_clock.remind()
    assert not out.exists()

    world.time.move(hours=2)
    world.submit("b.soon.test", run=True)
    world.time.move(hours=2.5)
    for _ in range(3):
        world.signer_clock.remind()
    assert told(out) == [["DNS:a.soon.test"]]
    (request,) = json.loads(out.read_text())["requests"]
    assert (request["id"], request["requester"], request["rule"]) == (first, "ci", "soon")

    world.time.move(hours=4)
    world.signer_clock.remind()
    assert sorted(told(out)[1]) == ["DNS:a.soon.test", "DNS:b.soon.test"]


def test_what_is_decided_is_not_told_any_more(make_world: MakeWorld, tmp_path: Path) -> None:
    world = make_world(policy=RULES)
    out = hooked(world, tmp_path)
    request_id = world.submit("a.soon.test", run=True)
    world.decide(request_id, "reject", reason="This name is not ours.")
    world.time.move(hours=9)
    world.signer_clock.remind()
    assert not out.exists()
    assert world.signer_row(request_id).remind_at is None


def test_a_hook_that_takes_longer_than_a_period_is_run_once_at_a_time(
    make_world: MakeWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(policy=RULES)
    runs: list[dict[str, Any]] = []

    def slow(_command: object, told: dict[str, Any], _timeout: float) -> None:
        world.time.move(hours=5)
        runs.append(told)
        assert len(runs) < 3, "the clock's job never ends"

    hooked(world, tmp_path)
    monkeypatch.setattr(reminding, "run_command", slow)
    world.submit("a.soon.test", run=True)
    world.time.move(hours=5)
    world.signer_clock.remind()
    assert len(runs) == 1


def test_a_hook_that_fails_is_not_run_again_before_its_time(
    make_world: MakeWorld, tmp_path: Path
) -> None:
    world = make_world(policy=RULES)
    out = hooked(world, tmp_path, "cat >> {out}; echo >> {out}; exit 3")
    world.submit("a.soon.test", run=True)
    world.time.move(hours=5)
    for _ in range(3):
        world.signer_clock.remind()
    assert len(told(out)) == 1
    world.time.move(hours=4)
    world.signer_clock.remind()
    assert len(told(out)) == 2


def test_without_a_hook_nothing_is_put_off(make_world: MakeWorld) -> None:
    world = make_world(policy=RULES)
    request_id = world.submit("a.soon.test", run=True)
    before = world.signer_row(request_id).remind_at
    world.time.move(hours=5)
    world.signer_clock.remind()
    assert world.signer_row(request_id).remind_at == before


def test_a_wrong_policy_file_is_written_down_also_while_nobody_needs_it(
    make_world: MakeWorld,
) -> None:
    from pipeline.signer.policy_record import in_force

    world = make_world(policy=RULES)
    world.policy_file.write_text(RULES.replace('"approve"', '"aprove"'), "utf-8")
    for _ in range(2):
        world.signer_clock.look_at_policy()
    row = in_force(world.signer_database)
    assert row is not None
    assert "rules[0].action (line 7): found 'aprove'" in row.problem
    world.policy_file.write_text(RULES, "utf-8")
    world.signer_clock.look_at_policy()
    row = in_force(world.signer_database)
    assert row is not None
    assert (row.problem, row.noticed_at) == ("", None)
