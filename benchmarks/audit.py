"""What the audit costs: `python -m benchmarks.audit`, on SQLite in a temporary folder.

Issues so many certificates through the whole pipeline in one process, then gives their audit entries
their places, signs the head, proves, and verifies everything. The figures to look at are ratios: the
sequencer's time to that of the issuances that it follows.
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import structlog

from pipeline.signer.audit import proof
from pipeline.signer.audit.sequencer import sequence
from pipeline.signer.audit.verify import verify
from tests import factories
from tests.flow.audit_log import Log
from tests.flow.world import World


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audit", description=__doc__)
    parser.add_argument("--requests", type=int, default=1000, help="certificates that are issued")
    parser.add_argument("--entries", type=int, default=200_000, help="further entries in the log")
    wanted = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    folder = Path(tempfile.mkdtemp(prefix="httpca-audit-"))
    world = World(folder / "world")
    try:
        _issuances(world, wanted.requests)
        _bulk(world, wanted.entries)
    finally:
        world.close()
        shutil.rmtree(folder)
    return 0


def _issuances(world: World, count: int) -> None:
    csr = factories.csr(names=["DNS:a.test"])
    for _ in range(count):
        world.submit(csr=csr)
    begun = time.perf_counter()
    world.run()
    issued = time.perf_counter() - begun
    begun = time.perf_counter()
    entries = world.signer_clock.keeper.sequence()
    sequenced = time.perf_counter() - begun
    print(
        f"{count} issuances: {1e3 * issued / count:.2f} ms each; their {entries} entries are "
        f"sequenced in {1e3 * sequenced / count:.3f} ms each: {sequenced / issued:.1%} of it"
    )


def _bulk(world: World, count: int) -> None:
    log = Log(world.signer_database)
    log.write(count)
    begun = time.perf_counter()
    total = 0
    while found := sequence(world.signer_database):
        total += found
    spent = time.perf_counter() - begun
    print(f"sequencer: {total / spent:,.0f} entries/s")
    world.signer_clock.checkpoint()
    world.run()
    request = next(iter(world.snapshot()["signer.requests"]))[0]
    begun = time.perf_counter()
    made = proof.prove(world.signer_database, request)
    print(f"one proof: {1e3 * (time.perf_counter() - begun):.1f} ms, {len(made.path)} hashes")
    begun = time.perf_counter()
    report = verify(world.signer_database, [world.signer_clock.keeper.verifier], [])
    spent = time.perf_counter() - begun
    print(f"verification: {report.size / spent:,.0f} entries/s, {len(report.findings)} findings")


if __name__ == "__main__":
    raise SystemExit(main())
