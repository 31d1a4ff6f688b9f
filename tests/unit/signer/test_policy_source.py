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
        self.source = PolicySource(self.file, self.note, monotonic=lambda: self.time)

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


def test_a_wrong_policy_leaves_the_old_one_in_force(source: Source) -> None:
    source.write("default = 7\n")
    assert source.later() == "approve"

    source.write("this is no TOML")
    assert source.later() == "approve"

    source.write(OTHER)
    assert source.later() == "reject"
    assert source.loaded == ["approve", "reject"]


def test_a_policy_file_that_is_gone_leaves_the_old_one_in_force(source: Source) -> None:
    source.file.unlink()

    assert source.later() == "approve"


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
