"""Run the test suites one after the other and count what came of them.

Each suite is one pytest process with a budget of time of its own. The run fails when a test fails,
and also when a suite is empty, skips a test, expects a failure, or does not end in time: a test
that does not run shows nothing. The last line is always ``N passed, N failed``.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree  # of what pytest writes # nosec B405

ROOT = Path(__file__).resolve().parent.parent

# Seconds. Generous on a machine with two cores: they are against hanging, not against slowness.
BUDGETS = {
    "unit": 1200,
    "fuzz": 600,
    "flow": 1800,
    "simulation": 900,
    "system": 2700,
    "browser": 900,
}

# What a suite that ran out of time gets to stop the servers that it started.
GRACE = 30

SUMMARY = "HTTPCA_TESTS_SUMMARY"
"""The variable that names the file of sentences for the end; see tests/summary.py."""


@dataclass
class Result:
    """What came of one suite; counts of tests, duration in seconds."""

    suite: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    problem: str = ""

    @property
    def good(self) -> bool:
        return not (self.failed or self.skipped or self.problem)


def main() -> int:
    arguments = parse_arguments()
    with tempfile.NamedTemporaryFile(prefix="httpca-summary-") as said:
        os.environ[SUMMARY] = said.name
        report = [run_suite(suite, arguments) for suite in arguments.suites]
        if arguments.coverage:
            write_coverage()
        print_table(report, Path(said.name).read_text("utf-8"))
    return 0 if all(result.good for result in report) else 1


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(BUDGETS)}")
    parser.add_argument("--coverage", action="store_true", help="record which lines are reached")
    arguments = parser.parse_args()
    arguments.suites = arguments.suites or list(BUDGETS)
    if unknown := set(arguments.suites) - set(BUDGETS):
        parser.error(f"no such suite: {', '.join(sorted(unknown))}")
    return arguments


def run_suite(suite: str, arguments: argparse.Namespace) -> Result:
    print(f"\n=== {suite} ===", flush=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="httpca-tests-") as folder:
        report = Path(folder, "report.xml")
        command = [sys.executable, "-m"]
        if arguments.coverage:
            command += ["coverage", "run", "-m"]
        command += ["pytest", f"tests/{suite}", f"--junit-xml={report}"]
        status = run_within(command, BUDGETS[suite])
        result = count(suite, report)
    result.seconds = time.monotonic() - started
    if status is None:
        result.problem = f"not done within {BUDGETS[suite]} s"
    elif status == 5 or (status == 0 and result.passed == 0):
        result.problem = "no tests"
    elif status != 0 and result.failed == 0:
        result.problem = f"pytest ended with {status}"
    return result


def run_within(command: list[str], seconds: float) -> int | None:
    """Run a command; return its exit code, or None when it had to be ended."""
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True) as process:
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            print(f"\nNot done within {seconds} s; stopping it.", flush=True)
            end(process)
            return None
        except BaseException:  # Ctrl-C reaches only us, since the suite has a session of its own
            end(process)
            raise


def end(process: subprocess.Popen[bytes]) -> None:
    """Interrupt pytest so that its fixtures stop their servers, and kill what stays."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)


def count(suite: str, report: Path) -> Result:
    """Read the counts from pytest's report; none when it wrote none."""
    result = Result(suite)
    if not report.exists():
        return result
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 # nosec B314
        outcomes = {child.tag for child in case}
        if outcomes & {"failure", "error"}:
            result.failed += 1
        elif "skipped" in outcomes:
            result.skipped += 1
        else:
            result.passed += 1
    return result


def write_coverage() -> None:
    for step in (["combine", "--quiet"], ["html", "--quiet"], ["report"]):
        subprocess.run([sys.executable, "-m", "coverage", *step], cwd=ROOT, check=False)


def print_table(report: list[Result], said: str) -> None:
    """Print what came of the suites; ``said`` is what they tell of themselves."""
    print(f"\n{'suite':<10}{'passed':>8}{'failed':>8}{'skipped':>8}{'seconds':>9}")
    for result in report:
        print(
            f"{result.suite:<10}{result.passed:>8}{result.failed:>8}{result.skipped:>8}"
            f"{result.seconds:>9.1f}  {result.problem}".rstrip()
        )
    print(f"\n{said}".rstrip())
    # A suite that went wrong as a whole counts as one failure, a skipped test as another.
    failed = sum(r.failed + r.skipped + bool(r.problem) for r in report)
    print(f"\n{sum(r.passed for r in report)} passed, {failed} failed")


if __name__ == "__main__":
    # However we are told to end, the suite under way is ended with us.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
