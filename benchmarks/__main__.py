"""Measure HttpCA: `make bench`. Every rate is also given as its ratio to the yardstick L, which is what
bare cryptography does on one core, measured at the beginning and at the end."""

import argparse
import os
import sys
import time
from pathlib import Path

from benchmarks import capacity, table
from benchmarks.bench import Bench
from benchmarks.cases import CASES, QUICK
from benchmarks.environment import environment
from benchmarks.fill import sequenced
from benchmarks.ground import Servers, usual_processes

OVERHEAD = 60
"""Seconds, roughly, for the yardstick, starting, and verifying the audit."""

QUIET = 0.3
"""Load average for each core above which the figures mean little."""

SHARED = ("throughput", "batches", "latency at 20/s", "latency at 100/s", "burst", "broker")
"""The cases after which the audit of the installation that they share is verified."""


def main() -> int:
    arguments = _arguments()
    seconds = OVERHEAD + sum(CASES[case].seconds for case in arguments.cases)
    if not arguments.quick:
        print(f"about {seconds / 60:.0f} minutes with the default options", flush=True)
    busy = os.getloadavg()[0]
    if busy > QUIET * len(os.sched_getaffinity(0)):
        print(f"This machine is not quiet: its load average is {busy:.1f}.", flush=True)
    began = time.monotonic()
    with Servers() as servers:
        bench = Bench(arguments, servers)
        try:
            _run(bench)
        finally:
            bench.close()
    _end(bench)
    print(f"took {(time.monotonic() - began) / 60:.1f} minutes")
    return 0


def _run(bench: Bench) -> None:
    print(f"L = {bench.measure_yardstick():,.0f} certificates/s of one core", flush=True)
    bench.figures["environment"] = environment(bench.shared(), bench.servers) | {
        "processes": bench.arguments.processes
    }
    verified = not set(bench.arguments.cases) & set(SHARED)
    for case in bench.arguments.cases:
        if case not in SHARED and not verified:
            verified = _verify(bench)
        bench.keep(case, CASES[case].run(bench))
        print(table.text(table.rows(bench.figures, case)), flush=True)
    if not verified:
        _verify(bench)


def _verify(bench: Bench) -> bool:
    """Count audit entries that are missing, and let the program prove the whole log.

    Raises:
        AssertionError: there is one, or the log does not verify.
    """
    ground, audit = bench.shared(), bench.figures["audit"]
    audit["missing"] = ground.missing()
    assert audit["missing"] == 0, audit
    audit["certificates"] = ground.issued()
    sequenced(ground)
    said = audit.setdefault("verified", {})["first installation"] = ground.verified()
    bench.save()
    print(f"audit entries missing: 0; {said}", flush=True)
    return True


def _end(bench: Bench) -> None:
    print(f"L = {bench.measure_yardstick():,.0f} at the end\n")
    bench.figures["capacity"] = {
        case: capacity.rows(planned) for case, planned in capacity.of_figures(bench.figures).items()
    }
    bench.save()
    print(table.text(table.main_table(bench.figures)))
    if "growth" in bench.figures["cases"]:
        print(f"\n{table.text(table.growth_table(bench.figures))}")
    costs = table.cost_table(bench.figures)
    if costs:
        print(f"\n{table.text(costs)}\n\n" + "\n".join(table.sizes(bench.figures)))
    if not bench.arguments.quick:
        for case, planned in capacity.of_figures(bench.figures).items():
            print(f"\ncapacity, by {case}\n{table.text(capacity.rows(planned))}")
            print(capacity.sentence(planned))
            print(capacity.storage(bench.figures, case, planned))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}")
    parser.add_argument("--quick", action="store_true", help="a few cases, once, in a minute")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--requests", type=int, default=10_000, help="of throughput and batches")
    parser.add_argument("--fewer", type=int, default=2000, help="of the cases that are compared")
    parser.add_argument("--burst", type=int, default=50_000, help="requests")
    parser.add_argument("--seconds", type=float, default=20, help="of each run of a latency case")
    parser.add_argument("--yardstick", type=float, default=5, help="seconds")
    parser.add_argument(
        "--sizes",
        type=_sizes,
        default=[100_000, 1_000_000],
        help="of growth, certificates in both databases, as 100000,1000000",
    )
    parser.add_argument(
        "--processes",
        default=usual_processes(),
        help="how many of each role, but for scaling, as honcho's -c has it (%(default)s)",
    )
    parser.add_argument("--all", action="store_true", help="all variants of scaling")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    unknown = [case for case in arguments.cases if case not in CASES]
    if unknown:
        parser.error(f"there is no case {', '.join(unknown)}; there are {', '.join(CASES)}")
    if arguments.quick:
        arguments.cases = arguments.cases or list(QUICK)
        arguments.times, arguments.yardstick, arguments.seconds = 1, 1.0, 3.0
        arguments.requests = arguments.fewer = 500
    arguments.cases = arguments.cases or list(CASES)
    return arguments


def _sizes(text: str) -> list[int]:
    return sorted(int(size) for size in text.split(","))


if __name__ == "__main__":
    sys.exit(main())
