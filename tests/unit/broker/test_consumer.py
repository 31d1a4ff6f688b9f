"""The gate itself, where a check breaks instead of failing."""

from datetime import datetime
from pathlib import Path

import pytest

from pipeline.broker.consumer import Gate
from pipeline.broker.refusals import Refusals
from pipeline.crypto.envelope import Envelope
from pipeline.crypto.trust import Trust
from pipeline.errors import MessageRefused
from pipeline.messages import SubmissionBatch
from pipeline.stages import POLICY
from tests.unit.crypto.message_world import WEB, MessageWorld

ID = "01890000-0000-7000-8000-000000000001"


class Clock:
    """A clock that breaks; ``error`` is what it raises."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __call__(self) -> datetime:
        raise self.error


def gate_and_message(tmp_path: Path, error: Exception) -> tuple[Gate, bytes]:
    world = MessageWorld(tmp_path / "trusted")
    web = world.identity(WEB)
    octets = world.envelope(web).seal(ID, POLICY, SubmissionBatch())
    return Gate(Envelope(web, Trust(world.folder), Clock(error)), Refusals()), octets


def test_a_message_on_which_a_check_breaks_is_refused_and_counted(tmp_path: Path) -> None:
    """Back on the queue, it would come again for ever and keep everything behind it waiting."""
    gate, octets = gate_and_message(tmp_path, ZeroDivisionError())

    with pytest.raises(MessageRefused) as refused:
        gate.admit(octets, POLICY.queue, redelivered=False)

    assert refused.value.reason == "cannot-be-checked"
    assert gate.refusals.counts == {(POLICY.queue, "cannot-be-checked", "unknown"): 1}


def test_a_message_that_cannot_be_checked_for_now_comes_again(tmp_path: Path) -> None:
    gate, octets = gate_and_message(tmp_path, OSError("too many open files"))

    with pytest.raises(OSError, match="too many open files"):
        gate.admit(octets, POLICY.queue, redelivered=False)

    assert gate.refusals.counts.total() == 0
