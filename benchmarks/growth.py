"""How speed changes as certificates gather in both databases."""

import base64
import time
from contextlib import ExitStack
from datetime import UTC
from typing import Final

from benchmarks import flood
from benchmarks.bench import Bench
from benchmarks.fill import fill, sequenced
from benchmarks.flood import Flood
from benchmarks.ground import Ground
from benchmarks.loading import Figures, latency, quantile, summary, throughput

LOOKS: Final = 50
"""How often each page is fetched."""


def growth(bench: Bench) -> list[Figures]:
    """Throughput, latency, pages and lists with ever more certificates in both databases.

    There is an installation of each size, and they are measured in turn: how fast the disk answers
    changes from minute to minute, and so changes for all of them alike.
    """
    sizes = [0, *bench.arguments.sizes]
    with ExitStack() as stack:
        grounds = [stack.enter_context(bench.own()) for _ in sizes]
        runs = [_filled(bench, ground, size) for ground, size in zip(grounds, sizes, strict=True)]
        rounds: list[list[Figures]] = [[] for _ in sizes]
        for _ in range(bench.arguments.times):
            for ground, found, run in zip(grounds, rounds, runs, strict=True):
                found.append(_measured(bench, ground))
                run |= summary(found)
            bench.keep("growth", runs)
        largest = grounds[-1]
        sequenced(largest)
        began = time.monotonic()
        said = largest.verified()
        bench.figures["audit"].setdefault("verified", {})["growth"] = said
        runs[-1]["verified"] = time.monotonic() - began
    return runs


def _filled(bench: Bench, ground: Ground, size: int) -> Figures:
    throughput(ground, "throughput", min(200, bench.arguments.fewer))  # none starts cold
    ((example,),) = ground.query(
        "web", "SELECT id::text FROM requests WHERE state = 'issued' LIMIT 1"
    )
    took = fill(ground, size, str(example)) if size else {}
    return {"certificates": size, **took}


def _measured(bench: Bench, ground: Ground) -> Figures:
    return {
        "throughput": throughput(ground, "throughput", bench.arguments.fewer),
        "latency": latency(ground, 20, bench.arguments.seconds / 2),
        "pages": pages(ground),
    }


def pages(ground: Ground) -> dict[str, dict[str, float]]:
    """Return how long lists and pages take, in seconds."""
    (place,) = ground.query(
        "web",
        "SELECT created_at, id::text FROM requests ORDER BY created_at OFFSET"
        " (SELECT count(*) / 10 FROM requests) LIMIT 1",
    )
    text = f"{place[0].astimezone(UTC).isoformat()} {place[1]}"
    cursor = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    api = "/api/v1/requests?limit=50"
    paths = {
        "API list, first page": api,
        "API list, issued": f"{api}&state=issued",
        "API list, unfinished (none)": f"{api}&state=submitted&state=waiting_for_approval",
        "API list, cursor deep in": f"{api}&cursor={cursor}",
        "API list, issued, deep in": f"{api}&state=issued&cursor={cursor}",
        "page of the list": "/requests",
        "page of one request": f"/requests/{place[1]}",
    }
    return {name: _times(ground, path) for name, path in paths.items()}


def _times(ground: Ground, path: str) -> dict[str, float]:
    times: list[float] = []

    def keep(number: int, seconds: float, status: int, body: bytes) -> None:
        if status != 200:
            raise ValueError(f"{path}: {status}: {body[:300]!r}")
        times.append(seconds)

    asking = Flood(ground.ports)
    request = flood.get(ground.ports[0], ground.token, path)
    try:
        asking.each([request] * LOOKS, 1, keep)
    finally:
        asking.close()
    return {"p50": quantile(times, 0.5), "p99": quantile(times, 0.99)}
