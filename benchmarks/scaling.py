"""Throughput with more processes of each role, each pinned to one core where that gives it a share."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from benchmarks.bench import Bench
from benchmarks.ground import Ground, pin
from benchmarks.loading import Figures, Target, summary, throughput

__all__ = ["Target", "VARIANTS", "scaling", "with_variables"]

WEB_SIDE: Final = frozenset({"web", "web-worker", "web-clock"})


@dataclass(frozen=True)
class Variant:
    """How many processes of each role, as honcho's -c has it; ``pinning`` is one of

    - ``free``: the kernel decides where each runs;
    - ``spread``: the processes of a role are given one core after the other;
    - ``sides``: the web side's processes have the first core, the signer side's the last.
    """

    name: str
    processes: str = ""
    pinning: str = "free"
    always: bool = True


def _all(count: int) -> str:
    return f"web={count},web-worker={count},signer-worker={count}"


VARIANTS: Final = (
    Variant("1 of each"),
    Variant("1 of each, a core for each side", pinning="sides"),
    Variant("2 signer-worker", "signer-worker=2", "spread"),
    Variant("2 web", "web=2", "spread"),
    Variant("2 web-worker", "web-worker=2", "spread"),
    Variant("2 of each", _all(2), "spread"),
    Variant("4 of each", _all(4), "spread"),
    Variant("4 signer-worker", "signer-worker=4", "spread", always=False),
    Variant("4 web", "web=4", "spread", always=False),
    Variant("4 web-worker", "web-worker=4", "spread", always=False),
)


def scaling(bench: Bench) -> list[Figures]:
    """Each variant, on an installation of its own."""
    runs = []
    for variant in VARIANTS:
        if variant.always or bench.arguments.all:
            with bench.own(processes=variant.processes) as ground:
                _pin(ground, variant.pinning)
                found = [
                    throughput(ground, "throughput", bench.arguments.fewer)
                    for _ in range(bench.arguments.times)
                ]
            runs.append({"variant": variant.name, "throughput": summary(found)})
    return runs


def _pin(ground: Ground, pinning: str) -> None:
    cores = sorted(os.sched_getaffinity(0))
    for part, pids in ground.meter().members().items():
        if not part.startswith(("web", "signer")):
            continue
        for number, pid in enumerate(pids):
            if pinning == "spread" and len(pids) > 1:
                pin(pid, {cores[number % len(cores)]})
            elif pinning == "sides":
                pin(pid, {cores[0] if part in WEB_SIDE else cores[-1]})


@contextmanager
def with_variables(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables of our own environment while the block lasts; what we start inherits them."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
