"""Run all mutants, or those named: ``python -m tools.mutants [NAME ...]``."""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from tools.mutants.errors import Unusable
from tools.mutants.patch import Mutant, read
from tools.mutants.trial import Copy, Verdict

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "tests" / "mutants"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of a file in tests/mutants")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    try:
        mutants = [read(file) for file in sorted(FOLDER.glob("*.patch"))]
        if arguments.names:
            mutants = [mutant for mutant in mutants if mutant.name in arguments.names]
        if not mutants:
            raise Unusable(f"there is no such mutant in {FOLDER.relative_to(ROOT)}")
        bad = [verdict for verdict in verdicts(mutants, arguments.processes) if not verdict.good]
    except Unusable as error:
        print(error)
        return 1
    print(f"\n{len(mutants)} mutants, {len(mutants) - len(bad)} found, {len(bad)} not")
    return 1 if bad else 0


def verdicts(mutants: list[Mutant], processes: int) -> Iterator[Verdict]:
    """Try all mutants, several at a time, and print each verdict."""
    with tempfile.TemporaryDirectory(prefix="httpca-mutants-") as folder:
        copies: SimpleQueue[Copy] = SimpleQueue()
        for number in range(min(processes, len(mutants))):
            target = Path(folder, str(number))
            target.mkdir()
            copies.put(Copy(ROOT, target))
        copy = copies.get()
        copy.check(mutants)
        copies.put(copy)

        def try_one(mutant: Mutant) -> Verdict:
            mine = copies.get()
            try:
                return mine.try_out(mutant)
            finally:
                copies.put(mine)

        print(f"{'mutant':<34}test that failed")
        with ThreadPoolExecutor(processes) as pool:
            for verdict in pool.map(try_one, mutants):
                show(verdict)
                yield verdict


def show(verdict: Verdict) -> None:
    """Print what came of one mutant."""
    lines = [*sorted(verdict.failed)]
    lines += [f"PROBLEM: {verdict.problem}"] if verdict.problem else []
    lines += (
        [] if verdict.problem else [f"SURVIVED {test} ({verdict.said})" for test in verdict.missed]
    )
    for number, line in enumerate(lines):
        print(f"{verdict.mutant.name if number == 0 else '':<34}{line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
