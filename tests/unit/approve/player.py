"""Plays the signer beside a command: a thread that verifies and records what it finds in a spool."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.approve.spool import Spool
from tests.unit.approve.world import World


@contextmanager
def play(world: World, folder: Path) -> Iterator[list[str]]:
    """Record each decision that lies in the spool, as `httpca dev` would; yield the effects."""
    over = threading.Event()
    effects: list[str] = []
    failures: list[BaseException] = []

    def run() -> None:
        seen: set[str] = set()
        try:
            while not over.wait(0.02):
                for spooled in Spool(folder).list()[0]:
                    if spooled.message_id not in seen:
                        seen.add(spooled.message_id)
                        effects.append(world.receive(spooled))
        except BaseException as error:  # noqa: BLE001 - told below, in the test's own thread
            failures.append(error)

    thread = threading.Thread(target=run, name="signer")
    thread.start()
    try:
        yield effects
    finally:
        over.set()
        thread.join()
    if failures:
        raise failures[0]
