"""Many simulations, spread over processes, and the table of what came of them."""

import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context

from tests.simulation.faults import RUNS, STEPS, Fault, missing, table
from tests.simulation.simulation import Result, simulate

SHOWN = 3
"""How many failing runs are told in full."""


@dataclass
class Report:
    """What came of a campaign."""

    steps: int
    runs: int = 0
    requests: int = 0
    seconds: float = 0.0
    tally: Counter[Fault] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    failed: dict[int, Result] = field(default_factory=dict)

    def add(self, seed: int, result: Result) -> None:
        """Count one simulation."""
        self.runs += 1
        self.requests += result.requests
        self.tally += result.tally
        self.states += result.states
        if result.problems:
            self.failed[seed] = result

    def missing(self) -> list[str]:
        """Return which kinds of fault took effect too seldom for a run of this size to count."""
        return missing(self.tally, self.runs) if self.steps >= STEPS and self.runs >= RUNS else []

    @property
    def good(self) -> bool:
        """Whether nothing was wrong and enough went wrong."""
        return not self.failed and not self.missing()

    def text(self) -> str:
        """Return the table, and the first failing runs with their stories."""
        ends = ", ".join(f"{count} {state}" for state, count in sorted(self.states.items()))
        parts = [
            table(self.tally, self.runs),
            (
                f"{self.runs} simulations of {self.steps} steps in {self.seconds:.0f} s;"
                f" {self.requests} requests: {ends}; {len(self.failed)} simulations failed"
            ),
            *self.missing(),
        ]
        for seed, result in list(self.failed.items())[:SHOWN]:
            parts.append(tell(seed, self.steps, result))
        if len(self.failed) > SHOWN:
            parts.append(f"more failing seeds: {list(self.failed)[SHOWN:][:50]}")
        return "\n\n".join(parts)


def tell(seed: int | None, steps: int, result: Result) -> str:
    """Return the story of a failing run, and how to see it again."""
    again = (
        f"python -m tests.simulation --seed {seed} --steps {steps} --shorten"
        if seed is not None
        else ""
    )
    return "\n".join([f"FAILED  {again}", *result.story, "because:", *result.problems])


def one(seed: int, steps: int) -> Result:
    """Run the simulation of one seed."""
    try:
        return simulate(random.Random(seed), steps)
    except Exception as error:
        error.add_note(f"in the simulation of seed {seed}, which is itself at fault")
        raise


def shortest(seed: int, steps: int) -> Result:
    """Run the simulation of one seed with the fewest steps that fail, at most so many."""
    for few in range(steps):
        result = one(seed, few)
        if result.problems:
            return result
    return one(seed, steps)


def campaign(
    runs: int,
    steps: int,
    first: int = 0,
    processes: int | None = None,
    *,
    show: bool = False,
    stop: bool = False,
) -> Report:
    """Run the simulations of so many seeds; ``stop`` at the first that fails."""
    report, started = Report(steps), time.monotonic()
    processes = processes or os.cpu_count() or 1
    seeds = range(first, first + runs)
    for seed, result in _results(seeds, steps, processes):
        report.add(seed, result)
        if stop and report.failed:
            break
        if show and result.problems:
            print(f"seed {seed} fails: {result.problems[0]}", file=sys.stderr)
        if show and report.runs % 500 == 0:
            print(f"{report.runs} of {runs}, {len(report.failed)} failed", file=sys.stderr)
    report.seconds = time.monotonic() - started
    return report


def _results(seeds: range, steps: int, processes: int) -> Iterable[tuple[int, Result]]:
    if processes == 1:
        yield from ((seed, one(seed, steps)) for seed in seeds)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from zip(
            seeds, pool.map(partial(_brief, steps=steps), seeds, chunksize=10), strict=True
        )


def _brief(seed: int, steps: int) -> Result:
    result = one(seed, steps)
    if not result.problems:
        result.story.clear()
    return result
