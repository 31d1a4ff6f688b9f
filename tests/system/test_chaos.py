"""The short form of `make chaos`: every kind of fault, under load, on real servers."""

import pytest

from tests.chaos.faults import KINDS
from tests.chaos.report import Report
from tests.chaos.run import Options, run

SHORT = Options(seconds=60.0, requests=3000, seed=3)
"""As much as two cores do in less than two minutes, with starting and stopping."""


@pytest.fixture(scope="module")
def report() -> Report:
    made = run(SHORT)
    print(made.table())
    return made


def test_every_request_that_was_accepted_came_to_its_end(report: Report) -> None:
    assert report.verdict.accepted >= SHORT.requests
    assert report.verdict.final.total() == report.verdict.accepted
    assert report.verdict.broken["lost"] == []
    assert report.verdict.broken["stuck"] == []
    assert report.verdict.broken["ended otherwise"] == []


def test_nothing_was_done_twice(report: Report) -> None:
    assert report.verdict.broken["accepted twice"] == []
    assert report.verdict.broken["issued twice"] == []


def test_both_sides_agree_and_every_step_is_audited(report: Report) -> None:
    assert report.verdict.broken["sides differ"] == []
    assert report.verdict.broken["audit incomplete"] == []


def test_no_client_got_an_odd_answer_and_no_message_was_refused(report: Report) -> None:
    assert report.verdict.broken["answered oddly"] == []
    assert report.dead_letters == {}


def test_every_kind_of_fault_took_effect(report: Report) -> None:
    assert {done.kind for done in report.faults} == set(KINDS), report.without_effect
    assert report.heartbeats_missed > 0


def test_no_process_ended_by_itself(report: Report) -> None:
    ends = {end for counts in report.ends.values() for end in counts}
    assert ends == {"SIGKILL", "in the end 0"}


def test_no_process_said_that_something_went_wrong_with_the_program(report: Report) -> None:
    assert [line for line in report.logged if line.startswith(("error", "critical", "not a"))] == []
