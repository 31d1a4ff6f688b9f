"""Fuzz for as long as one likes: ``python -m tests.fuzz [--seconds N] [TARGET ...]``.

Each target runs in a process of its own, which keeps what reaches something new in ``var/fuzz/TARGET``
and starts from there and from the corpus. A finding ends its target; the input lies beside it.
"""

import argparse
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.fuzz.table import TARGETS
from tests.fuzz.target import CORPUS

ROOT: Final = Path(__file__).resolve().parent.parent.parent
KEPT: Final = ROOT / "var" / "fuzz"

SLOW: Final = 20
"""Seconds after which an input that is still being read is a finding."""


@dataclass(frozen=True)
class Outcome:
    """What came of one target: inputs tried, edges and lines reached, and where a finding lies."""

    name: str
    tried: int
    edges: int
    lines: str
    seeds: int
    finding: str


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--seed", type=int, default=0, help="of libFuzzer; 0 is another each time")
    arguments = parser.parse_args()
    if unknown := set(arguments.targets) - set(TARGETS):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    print(
        f"{'target':<14}{'seeds':>7}{'inputs tried':>14}{'edges':>8}{'lines':>13}  finding",
        flush=True,
    )
    outcomes = []
    for name in arguments.targets or TARGETS:
        found = fuzz(name, f"-max_total_time={arguments.seconds}", f"-seed={arguments.seed}")
        outcomes.append(found)
        print(
            f"{name:<14}{found.seeds:>7}{found.tried:>14}{found.edges:>8}{found.lines:>13}"
            f"  {found.finding}".rstrip(),
            flush=True,
        )
    tried = sum(one.tried for one in outcomes)
    findings = [one for one in outcomes if one.finding]
    print(f"\ninputs fuzzed: {tried} on {len(outcomes)} targets, {len(findings)} findings")
    return 1 if findings else 0


def fuzz(name: str, *options: str) -> Outcome:
    """Fuzz one target until it ends, and read its log."""
    kept = KEPT / name
    kept.mkdir(parents=True, exist_ok=True)
    artifacts = KEPT / f"{name}-"
    words = KEPT / f"{name}.dict"
    words.write_text("".join(f'"{escaped(word)}"\n' for word in TARGETS[name].words))
    log = KEPT / f"{name}.log"
    command = [sys.executable, "-m", "tests.fuzz.guided", name, str(kept), str(CORPUS / name)]
    command += [f"-dict={words}"] if TARGETS[name].words else []
    command += [f"-artifact_prefix={artifacts}", f"-timeout={SLOW}"]
    command += ["-max_len=20000", "-rss_limit_mb=2048", "-print_final_stats=1", *options]
    with log.open("wb") as sink:
        status = subprocess.run(command, cwd=ROOT, stdout=sink, stderr=sink, check=False).returncode
    said = log.read_text("utf-8", "replace")
    tried = re.findall(r"stat::number_of_executed_units: (\d+)", said)
    edges = re.findall(r"\bcov: (\d+)", said)
    finding = ""
    if status != 0:
        where = re.findall(r"Test unit written to (\S+)", said)
        what = re.findall(r"^ *(\w[\w.]*(?:Error|Exception|Refused|Version)\b.{0,80})", said, re.M)
        finding = " ".join([*(where or [f"ended with {status}, see {log}"])[:1], *what[:1]])
    return Outcome(
        name,
        int(tried[-1]) if tried else 0,
        int(edges[-1]) if edges else 0,
        "" if finding else reached(name, kept),
        len(TARGETS[name].corpus),
        finding,
    )


def reached(name: str, kept: Path) -> str:
    """Return how many of the lines of a target's modules its inputs reach, as ``81 of 90``."""
    command = [sys.executable, "-m", "tests.fuzz.reached", name, str(kept)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return " of ".join(done.stdout.split()[-2:])


def escaped(word: str) -> str:
    """Return a word as libFuzzer's dictionaries have it."""
    return "".join(
        f"\\x{octet:02x}" if octet in b'"\\' or not 32 <= octet < 127 else chr(octet)
        for octet in word.encode()
    )


if __name__ == "__main__":
    sys.exit(main())
