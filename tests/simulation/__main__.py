"""Run simulations: ``python -m tests.simulation --runs 1000``, or one: ``--seed N`` with its story."""

import argparse
import sys

from tests.simulation.campaign import campaign, one, shortest
from tests.simulation.faults import RUNS, STEPS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="run this one and tell its story")
    parser.add_argument("--shorten", action="store_true", help="with the fewest steps that fail")
    parser.add_argument("--runs", type=int, default=RUNS, help="how many to run (%(default)s)")
    parser.add_argument("--steps", type=int, default=STEPS, help="of each run (%(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (%(default)s)")
    parser.add_argument("--processes", type=int, help="how many at a time (one per core)")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        shorten = shortest if arguments.shorten else one
        result = shorten(arguments.seed, arguments.steps)
        print("\n".join(result.story))
        print(f"\n{result.requests} requests: {dict(result.states)}")
        print("\n".join(result.problems) or "nothing is wrong")
        return 1 if result.problems else 0
    report = campaign(
        arguments.runs, arguments.steps, arguments.first, arguments.processes, show=True
    )
    print(report.text())
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
