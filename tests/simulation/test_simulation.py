"""Nothing lost, nothing twice, under every fault: many simulations, and a look at the simulation."""

import random
from collections import Counter

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from tests.simulation.campaign import campaign, one, tell
from tests.simulation.faults import MINIMUM, RUNS, STEPS, Fault, missing
from tests.simulation.simulation import simulate

SOME = 60
"""Runs of the test that shows which mutants are found."""


def test_nothing_is_lost_and_nothing_comes_twice_in_200_simulations(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = campaign(RUNS, STEPS)

    with capsys.disabled():
        print(f"\n{report.text()}")
    assert not report.failed
    assert not report.missing()


def test_nothing_is_lost_and_nothing_comes_twice_in_some_more() -> None:
    report = campaign(SOME, STEPS, first=RUNS, processes=1, stop=True)

    assert not report.failed, report.text()


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate, Phase.shrink),
)
@given(st.randoms(use_true_random=False), st.integers(1, 12))
def test_hypothesis_finds_no_short_story_that_ends_badly(rng: random.Random, steps: int) -> None:
    result = simulate(rng, steps)

    if result.problems:
        note(tell(None, steps, result))
    assert not result.problems


def test_a_seed_always_tells_the_same_story() -> None:
    assert one(7, 60).story == one(7, 60).story


def test_every_kind_of_fault_has_a_minimum() -> None:
    assert set(MINIMUM) == set(Fault)


def test_a_kind_of_fault_that_does_not_take_effect_is_missed() -> None:
    enough = Counter(MINIMUM)
    assert not missing(enough, RUNS)

    enough[Fault.REPLAYED] = 0

    assert len(missing(enough, RUNS)) == 1
