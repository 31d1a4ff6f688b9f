"""A policy takes effect when its file changes, and a wrong one never does."""

import os
from pathlib import Path

import pytest

from pipeline.errors import SettingsError
from pipeline.signer.policy import Policy
from pipeline.signer.policy_source import LOOK_AGAIN, PolicySource

GOOD = 'default = "approve"\n[profiles.server]\nextended_key_usage = ["server_auth"]\n'
OTHER = GOOD.replace('"approve"', '"reject"')


class Source:
    """A policy file, its source, and a clock that the test moves."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "policy.toml"
        self.time = 0.0
        self.loaded: list[str] = []
        self.broken = False
        self.write(GOOD)
        self.problems: list[str] = []
        self.unfit: list[str] = []
        self.source = PolicySource(
            self.file,
            self.note,
            monotonic=lambda: self.time,
            troubled=self.problems.append,
            unfit=lambda _policy: self.unfit,
        )

    def note(self, policy: Policy) -> None:
        if self.broken:
            raise ZeroDivisionError("no audit entry")
        self.loaded.append(policy.default)

    def write(self, text: str) -> None:
        before = self.file.stat().st_mtime_ns if self.file.exists() else 0
        self.file.write_text(text)
        os.utime(self.file, ns=(before + 1_000_000, before + 1_000_000))

    def later(self) -> str:
        self.time += LOOK_AGAIN + 0.1
        return self.source().default


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path)


def test_a_changed_policy_takes_effect_and_is_noted_first(source: Source) -> None:
    source.write(OTHER)

    assert source.source().default == "approve"  # not looked at again yet
    assert source.later() == "reject"
    assert source.loaded == ["approve", "reject"]


def test_a_file_of_the_same_time_and_size_takes_effect_too(source: Source) -> None:
    """As a tool puts it there that sets all times alike, or keeps those of its copies."""
    text = GOOD + 'validity = "90d"\n'
    source.write(text)
    source.later()
    before = source.file.stat()
    other = source.file.with_suffix(".new")
    other.write_text(text.replace("90d", "30d"))
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(source.file)
    source.later()
    assert source.source().profiles["server"].validity == "30d"


def test_a_wrong_policy_leaves_the_old_one_in_force(source: Source) -> None:
    source.write("default = 7\n")
    assert source.later() == "approve"

    source.write("this is no TOML")
    assert source.later() == "approve"

    source.write(OTHER)
    assert source.later() == "reject"
    assert source.loaded == ["approve", "reject"]


def test_what_is_wrong_is_said_once_and_again_when_it_changes(source: Source) -> None:
    source.write("default = 7\n")
    for _ in range(3):
        source.later()
    (problem,) = source.problems
    assert "default (line 1): found 7" in problem

    source.write("default = 8\n")
    source.later()
    source.later()
    assert len(source.problems) == 2

    source.write(GOOD)  # the policy in force: nothing is loaded, and nothing is wrong any more
    source.later()
    assert source.problems[2:] == [""]
    assert source.loaded == ["approve"]


def test_a_policy_by_which_nobody_could_approve_does_not_take_effect(source: Source) -> None:
    source.unfit = ["the rule asks for two"]
    source.write(OTHER)
    assert source.later() == "approve"
    assert source.problems == [f"{source.file}: the rule asks for two"]

    source.unfit = []  # somebody is trusted meanwhile; the file is the same
    assert source.later() == "reject"
    assert source.problems[1:] == [""]


def test_a_signer_starts_though_nobody_could_approve_and_says_so(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(GOOD)
    problems: list[str] = []
    source = PolicySource(
        file, lambda _: None, troubled=problems.append, unfit=lambda _: ["nobody is trusted"]
    )
    assert source().default == "approve"
    assert problems == [f"{file}: nobody is trusted"]


def test_a_policy_file_that_is_gone_leaves_the_old_one_in_force(source: Source) -> None:
    source.file.unlink()

    assert source.later() == "approve"
    assert source.later() == "approve"
    (problem,) = source.problems
    assert "cannot be read" in problem

    source.write(OTHER)
    assert source.later() == "reject"


def test_a_new_comment_is_no_new_policy(source: Source) -> None:
    source.write("# explained\n" + GOOD)

    assert source.later() == "approve"
    assert source.loaded == ["approve"]


def test_a_policy_that_cannot_be_audited_does_not_take_effect(source: Source) -> None:
    source.write(OTHER)
    source.broken = True
    with pytest.raises(ZeroDivisionError):
        source.later()

    assert source.source().default == "approve"
    source.broken = False
    assert source.later() == "reject"


def test_a_signer_does_not_start_with_a_wrong_policy(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text("default = 7\n")

    with pytest.raises(SettingsError, match=r"policy\.toml.*default"):
        PolicySource(file, lambda _: None)
