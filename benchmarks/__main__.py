"""Measure HttpCA: `make bench`. Every figure is also given as its ratio to the yardstick L."""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.ground import Ground

Figures = dict[str, Any]


def main() -> int:
    arguments = _arguments()
    yardstick = [_yardstick(arguments.yardstick)]
    print(f"L = {yardstick[0]:.0f} certificates/s of one core", flush=True)
    figures: dict[str, Any] = {}
    with Ground(concurrency=arguments.processes) as ground:
        figures["environment"] = _environment(ground)
        for case in arguments.cases:
            figures[case] = [CASES[case](ground, arguments) for _ in range(arguments.times)]
            print(_line(case, figures[case], yardstick[0]), flush=True)
        figures["audit entries missing"] = missing(ground)
    yardstick.append(_yardstick(arguments.yardstick))
    figures["yardstick"] = yardstick
    print(
        f"L = {yardstick[1]:.0f} at the end; audit entries missing: "
        f"{figures['audit entries missing']}"
    )
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=30, help="of each latency case")
    parser.add_argument("--yardstick", type=float, default=5, help="seconds")
    parser.add_argument("--processes", default="", help="as honcho's -c, such as signer-worker=2")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    arguments.cases = arguments.cases or list(CASES)
    return arguments


def throughput(ground: Ground, arguments: argparse.Namespace) -> Figures:
    """One CSR a call, 16 connections, until the last is readable as issued."""
    return _rate(ground, "throughput", arguments.requests)


def batches(ground: Ground, arguments: argparse.Namespace) -> Figures:
    """A thousand CSRs a call."""
    return _rate(ground, "batches", arguments.requests)


def _rate(ground: Ground, case: str, count: int) -> Figures:
    meter = ground.meter()
    before = _written(ground)
    found = ground.load(case, count)
    cost = {part: 1000 * seconds / count for part, seconds in meter.cpu().items()}
    found["rate"] = found["count"] / found["seconds"]
    found["milliseconds of CPU a certificate"] = cost
    found["MiB resident"] = meter.memory()
    found["bytes a certificate"] = {
        side: (octets - before[side]) / count for side, octets in _written(ground).items()
    }
    answered = found.pop("answered")
    found["answered"] = {"p50": _quantile(answered, 0.5), "p99": _quantile(answered, 0.99)}
    return dict(found)


def latency(rate: float) -> Callable[[Ground, argparse.Namespace], Figures]:
    """Return the case of so many requests per second."""

    def case(ground: Ground, arguments: argparse.Namespace) -> Figures:
        count = int(rate * arguments.seconds)
        connections = "16" if rate <= 20 else "32"
        options = ("--rate", str(rate), "--connections", connections)
        seconds = ground.load("latency", count, *options)["seconds"]
        return {"p50": _quantile(seconds, 0.5), "p99": _quantile(seconds, 0.99), "count": count}

    return case


CASES: dict[str, Callable[[Ground, argparse.Namespace], Figures]] = {
    "throughput": throughput,
    "batches": batches,
    "latency at 20/s": latency(20),
    "latency at 100/s": latency(100),
}


def missing(ground: Ground) -> int:
    """Count the state changes that have no audit entry, on both sides (0)."""
    statement = """
        SELECT count(*) FROM requests r WHERE r.state = 'ISSUED' AND NOT EXISTS (
            SELECT FROM audit a WHERE a.request_id = r.id AND a.event = 'state-changed'
            AND a.details->>'to' = 'ISSUED')
    """
    return sum(int(ground.query(side, statement)[0][0]) for side in ("web", "signer"))


def _written(ground: Ground) -> dict[str, int]:
    return {
        side: int(ground.query(side, "SELECT pg_database_size(current_database())")[0][0])
        for side in ("web", "signer")
    }


def _environment(ground: Ground) -> Figures:
    names = ("server_version", "fsync", "synchronous_commit", "full_page_writes")
    return {name: ground.query("signer", f"SHOW {name}")[0][0] for name in names}


def _line(case: str, runs: list[Figures], yardstick: float) -> str:
    if "rate" in runs[0]:
        rates = [run["rate"] for run in runs]
        median = statistics.median(rates)
        cost = runs[-1]["milliseconds of CPU a certificate"]
        parts = ", ".join(f"{part} {spent:.2f}" for part, spent in sorted(cost.items()))
        return (
            f"{case}: {median:.0f}/s = {median / yardstick:.3f} L "
            f"({min(rates):.0f} to {max(rates):.0f}); ms of CPU a certificate: {parts}, "
            f"load {1000 * runs[-1]['cpu'] / runs[-1]['count']:.2f}"
        )
    middle, high = (statistics.median(run[key] for run in runs) for key in ("p50", "p99"))
    return f"{case}: p50 {1000 * middle:.0f} ms, p99 {1000 * high:.0f} ms"


def _quantile(values: list[float], part: float) -> float:
    return sorted(values)[min(int(part * len(values)), len(values) - 1)]


def _yardstick(seconds: float) -> float:
    command = [sys.executable, "-m", "benchmarks.yardstick", str(seconds)]
    return float(json.loads(subprocess.run(command, capture_output=True, check=True).stdout))


if __name__ == "__main__":
    sys.exit(main())
