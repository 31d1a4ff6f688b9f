"""The seeded plan: which fault when, in two lanes that run beside each other, or in one.

Each lane does every kind of fault once in an order of its own, and then again, until the time is
over and the first round is done.
"""

import random
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pipeline.clock import now
from tests.chaos.faults import ON_PROCESSES, ON_SERVERS, Fault, NoEffect, Scene

GAP: Final = (0.5, 3.0)
"""Seconds between two faults of a lane."""

GAP_APART: Final = (8.0, 9.0)
"""The same when each fault is to be over before the next one."""

AGAIN: Final = 3
"""How often a kind that had no effect is tried again when the time is over."""


@dataclass(frozen=True, slots=True)
class Done:
    """A fault that took effect, from when to when."""

    kind: str
    target: str
    began: datetime
    ended: datetime


@dataclass
class Lane:
    """A thread that does faults one after the other."""

    scene: Scene
    faults: Mapping[str, Fault]
    until: float
    gap: tuple[float, float] = GAP
    done: list[Done] = field(default_factory=list)
    without_effect: list[str] = field(default_factory=list)
    error: BaseException | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="lane", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        try:
            for kind in self._order():
                self.scene.wait(*self.gap)
                if self.scene.ending.is_set():
                    return
                began = now()
                try:
                    target = self.faults[kind](self.scene)
                except NoEffect as error:
                    self.without_effect.append(f"{kind}: {error}")
                else:
                    self.done.append(Done(kind, target, began, now()))
        except BaseException as error:  # noqa: BLE001 - the run ends with it
            self.error = error

    def _order(self) -> Iterator[str]:
        missing = set(self.faults)
        late = 0
        while late < AGAIN and (missing or time.monotonic() < self.until):
            late += time.monotonic() >= self.until
            kinds = sorted(missing if time.monotonic() >= self.until else self.faults)
            self.scene.rng.shuffle(kinds)
            for kind in kinds:
                if time.monotonic() >= self.until and kind not in missing:
                    continue
                yield kind
                with suppress(IndexError):
                    missing.discard(self.done[-1].kind)


def lanes(scene: Scene, seconds: float, seed: int, *, apart: bool) -> list[Lane]:
    """Return the lanes; their dice are their own, so that each has its plan from the seed.

    ``apart`` makes one of them, with time between its faults, to see what each does by itself.
    """
    until = time.monotonic() + seconds
    parts: dict[str, Mapping[str, Fault]] = {"processes": ON_PROCESSES, "servers": ON_SERVERS}
    if apart:
        parts = {"all": {**ON_PROCESSES, **ON_SERVERS}}
    return [
        Lane(
            Scene(scene.ground, scene.crew, random.Random(f"{seed} {name}"), scene.ending),
            faults,
            until,
            GAP_APART if apart else GAP,
        )
        for name, faults in parts.items()
    ]
