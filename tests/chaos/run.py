"""One chaos run, from starting the servers to the report."""

import json
import math
import random
import statistics
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

import requests

from pipeline.broker import dead_letters
from pipeline.clock import now
from pipeline.stages import STAGES
from tests.chaos import plan, report, verdict
from tests.chaos.approver import Approver
from tests.chaos.crew import Crew
from tests.chaos.faults import KINDS, Scene
from tests.chaos.ground import Ground
from tests.chaos.load import Load
from tests.chaos.report import Report

UP_WITHIN: Final = 120.0
STUCK_AFTER: Final = 120.0
"""Seconds; against hanging only. So long nothing comes to its end before what is left is stuck."""


@dataclass(frozen=True, slots=True)
class Options:
    """How long, how much, which dice, and whether each fault has its own time."""

    seconds: float = 120.0
    requests: int = 3000
    seed: int = 1
    apart: bool = False


class Unsettled(Exception):
    """The run did not come to an end by itself."""


def run(options: Options) -> Report:
    """Do a whole run; nothing is left running, however it ends.

    Raises:
        Unsettled: something did not even start, or the harness itself failed.
    """
    with ExitStack() as stack:
        ground = stack.enter_context(Ground())
        token = ground.token("clients")
        crew = stack.enter_context(ground.crew())
        scene = Scene(ground, crew, random.Random(options.seed))
        stack.callback(scene.ending.set)
        wait_until_up(ground)
        load = Load(
            ground.urls, token, options.requests, options.seconds, random.Random(options.seed)
        )
        approver = Approver(ground.approver)
        stack.callback(approver.stop)
        stack.callback(load.stop)
        began, moment = time.monotonic(), now()
        load.start()
        approver.start()
        lanes = plan.lanes(scene, options.seconds, options.seed, apart=options.apart)
        for lane in lanes:
            lane.start()
            stack.callback(lane.join)
        stack.callback(scene.ending.set)
        while any(lane.running for lane in lanes):
            time.sleep(0.1)
        load.finish()
        settled_after = _settle(ground, load)
        approver.stop()
        letters = Counter(
            letter.reason for letter in dead_letters.listed(ground.broker, list(STAGES), 10_000)
        )
        ends = crew.dismiss()
        for lane in lanes:
            if lane.error is not None:
                raise Unsettled("a fault could not be done or undone") from lane.error
        faults = sorted((done for lane in lanes for done in lane.done), key=lambda one: one.began)
        issued = report.speeds(ground)
        took = [(there - asked).total_seconds() for asked, there in issued]
        return Report(
            seed=options.seed,
            began=moment,
            seconds=time.monotonic() - began,
            verdict=verdict.judge(ground, load.ledger),
            faults=faults,
            without_effect=[one for lane in lanes for one in lane.without_effect],
            recoveries=report.recoveries(faults, issued),
            waits=report.waits(faults, issued),
            answers=dict(load.ledger.answers),
            decisions=dict(approver.results),
            dead_letters=dict(letters),
            ends=_ends(crew, ends),
            memory={
                kind: max(service.highest_memory for service in crew.of(kind))
                for kind in {service.kind for service in crew.services}
            },
            logged=_logged(crew),
            settled_after=settled_after,
            heartbeats_missed=ground.heartbeats_missed(),
            slowest=max(took, default=0.0),
            median=statistics.median(took) if took else 0.0,
            missing=[kind for kind in KINDS if kind not in {done.kind for done in faults}],
        )


def wait_until_up(ground: Ground) -> None:
    """Wait until all web processes say that all is well."""
    deadline = time.monotonic() + UP_WITHIN
    for url in ground.urls:
        while True:
            try:
                if requests.get(f"{url}/readyz", timeout=5).json()["status"] == "ok":
                    break
            except (requests.RequestException, KeyError):
                pass
            if time.monotonic() > deadline:
                raise Unsettled(f"not up within {UP_WITHIN} s")
            time.sleep(0.1)


def _settle(ground: Ground, load: Load) -> float:
    """Wait until all are final and told; return after how many seconds without faults."""
    began = moved = time.monotonic()
    fewest: float = math.inf
    while time.monotonic() < moved + STUCK_AFTER:
        left = verdict.unsettled(ground)
        if load.done and left == 0:
            break
        if left < fewest:
            fewest, moved = left, time.monotonic()
        time.sleep(0.2)
    return time.monotonic() - began


def _ends(crew: Crew, last: dict[str, int | None]) -> dict[str, dict[str, int]]:
    """Count how the processes ended, by kind; the last, orderly end too."""
    found: dict[str, Counter[str]] = {}
    for service in crew.services:
        counts = found.setdefault(service.kind, Counter())
        counts.update(service.ends)
        counts[f"in the end {last[service.name]}"] += 1
    return {kind: dict(counts) for kind, counts in found.items()}


def _logged(crew: Crew) -> dict[str, int]:
    """Count the lines of level warning and worse by level, process and event."""
    found: Counter[str] = Counter()
    for service in crew.services:
        for line in service.logged().splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                found[f"not a log line, {service.kind}: {line[:80]}"] += 1
                continue
            if entry.get("level") not in ("info", "debug"):
                event = str(entry.get("event")).partition("(")[0][:60]
                if trace := entry.get("exception"):
                    event += "".join(
                        f" {one['exc_type']}: {one['exc_value'][:80]}" for one in trace
                    )
                found[f"{entry.get('level')}, {service.kind}: {event}"] += 1
    return dict(sorted(found.items()))
