"""Run the README and print how each of its blocks went."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.servers.ports import is_free
from tools import readme
from tools.readme.blocks import ReadmeError, ports, read
from tools.readme.newcomer import ROOT, newcomer
from tools.readme.play import Result, adopt, play


def main() -> int:
    arguments = parse_arguments()
    try:
        steps = read(arguments.file.read_text(encoding="utf-8"))
    except ReadmeError as error:
        print(f"{arguments.file.name}, {error}", file=sys.stderr)
        return 1
    if taken := [str(port) for port in ports(steps) if not is_free(port)]:
        print(
            f"The README needs port {', '.join(taken)} of this machine, where something listens "
            "already: stop that first.",
            file=sys.stderr,
        )
        return 1
    adopt()
    with newcomer(work_tree=arguments.work_tree) as somebody:
        results = play(steps, somebody)
    print_table(results)
    return 1 if any(result.outcome in ("FAILED", "not run") for result in results) else 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.readme",
        description=readme.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", nargs="?", type=Path, default=ROOT / "README.md", metavar="FILE")
    parser.add_argument(
        "--work-tree",
        action="store_true",
        help="clone the files as they are on the disk, not as they were committed last",
    )
    return parser.parse_args()


def print_table(results: Sequence[Result]) -> None:
    print(f"\n{'line':>5} {'terminal':<9}{'result':<9}{'seconds':>8}  step")
    for result in results:
        step = result.step
        said = f"  ({result.said})" if result.said else ""
        print(
            f"{step.line or '':>5} {step.terminal:<9}{result.outcome:<9}{result.seconds:>8.1f}"
            f"  {step.title}{said}"
        )
    passed = sum(result.outcome == "passed" for result in results)
    failed = sum(result.outcome in ("FAILED", "not run") for result in results)
    print(f"\n{passed} passed, {failed} failed")


if __name__ == "__main__":
    # However we are told to end, what runs is ended with us.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
