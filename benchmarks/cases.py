"""What is measured, the most important first. Each case gives its runs, and prints their summary."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import burst, growth, scaling
from benchmarks.bench import Bench
from benchmarks.embedded import embedded
from benchmarks.loading import Figures, latency, throughput
from benchmarks.startup import startup
from benchmarks.wire import Wire
from tests.servers import SoftHsm
from tests.servers.softhsm import PIN

Runs = list[Figures]


def one_a_call(bench: Bench) -> Runs:
    """One CSR a call by 16 connections, until the last is readable as issued."""
    wanted = bench.arguments
    return [throughput(bench.shared(), "throughput", wanted.requests) for _ in range(wanted.times)]


def by_batches(bench: Bench) -> Runs:
    """A thousand CSRs a call by two connections, until the last is readable as issued."""
    wanted = bench.arguments
    return [
        throughput(bench.shared(), "batches", wanted.requests, "--connections", "2")
        for _ in range(wanted.times)
    ]


def latency_at(rate: float) -> Callable[[Bench], Runs]:
    """Return the case of so many requests per second, from the start of POST to `issued`."""

    def case(bench: Bench) -> Runs:
        wanted = bench.arguments
        return [latency(bench.shared(), rate, wanted.seconds) for _ in range(wanted.times)]

    return case


def broker(bench: Bench) -> Runs:
    """Bytes and messages on the broker for each certificate, counted by a listener."""
    ground, runs = bench.shared(), []
    for case, count in (("throughput", 1000), ("batches", 1000)):
        with Wire(ground.installation.broker) as wire:
            throughput(ground, case, count)
        found = {f"{case} bytes": sum(wire.octets.values()) / count}
        found[f"{case} messages"] = sum(wire.messages.values()) / count
        runs.append(found)
    return [runs[0] | runs[1]]


def rsa(bench: Bench) -> Runs:
    """As `throughput`, with an RSA-2048 issuing key."""
    with bench.own(setup=("--ca-key", "rsa:2048")) as ground:
        return _few(bench, ground)


def pkcs11(bench: Bench) -> Runs:
    """As `throughput`, with a P-256 issuing key in a PKCS#11 token (SoftHSM)."""
    with tempfile.TemporaryDirectory(prefix="httpca-bench-token-") as folder:
        hsm, pin = SoftHsm(Path(folder) / "hsm"), Path(folder) / "pin"
        hsm.add("bench")
        pin.write_text(PIN)
        options = ("--ca-token", hsm.uri("bench", "issuing"), "--pin-file", str(pin))
        with (
            scaling.with_variables(hsm.environment),
            bench.own(setup=options, variables=hsm.environment) as ground,
        ):
            return _few(bench, ground)


def one_process(bench: Bench) -> Runs:
    """As `throughput`, on `httpca dev`: one process, SQLite."""
    bench.close()
    with embedded() as target:
        runs = _few(bench, target)
        bench.figures["audit"].setdefault("verified", {})["embedded"] = target.verified()
    return runs


def start(bench: Bench) -> Runs:
    """Seconds until something is there that a user waits for."""
    return [{"seconds": startup(bench.shared())} for _ in range(max(bench.arguments.times, 3))]


def _few(bench: Bench, target: "scaling.Target") -> Runs:
    return [
        throughput(target, "throughput", bench.arguments.fewer)
        for _ in range(bench.arguments.times)
    ]


@dataclass(frozen=True)
class Case:
    """``seconds`` is about how long it takes with the default options, as a rough guide."""

    run: Callable[[Bench], Runs]
    seconds: int


CASES: Final = {
    "throughput": Case(one_a_call, 50),
    "batches": Case(by_batches, 40),
    "latency at 20/s": Case(latency_at(20), 75),
    "latency at 100/s": Case(latency_at(100), 85),
    "burst": Case(burst.burst, 100),
    "broker": Case(broker, 15),
    "start-up": Case(start, 25),
    "embedded": Case(one_process, 60),
    "RSA-2048 key": Case(rsa, 40),
    "PKCS#11 key": Case(pkcs11, 45),
    "scaling": Case(scaling.scaling, 120),
    "growth": Case(growth.growth, 200),
}

QUICK: Final = ("throughput", "batches", "latency at 20/s")
"""The cases of the quick form."""
