"""The seams between the program and its world: database, patience, CA key.

At each of them a process passes the places where faults strike, and carries out what is its to do.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from pipeline.actors.patience import Patience
from pipeline.database.engine import Database
from pipeline.errors import KeyUnavailable
from pipeline.signer.keys import SignatureHash, SigningKey
from tests.simulation import watch
from tests.simulation.chaos import Killed, Place
from tests.simulation.faults import Fault

if TYPE_CHECKING:
    from tests.simulation.runner import Runner

PATIENT = 5
"""After so many waits in one errand all trouble ends for it: servers come back."""
TOO_LONG = 12
"""After so many waits the process is stopped, whatever it waits for."""


class SeamedDatabase(Database):
    """A side's database as one process sees it."""

    def __init__(self, runner: Runner, database: Database) -> None:
        super().__init__(database.engine)
        self.runner = runner

    @contextmanager
    def write(self) -> Iterator[Connection]:
        self._begin()
        try:
            with self._counted(), super().write() as connection:
                yield connection
        finally:
            self.runner.world.note_troubles(self.runner)
        self.runner.reach(Place.ENDED)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        self._begin()
        with self._counted(), super().read() as connection:
            yield connection
        self.runner.reach(Place.ENDED)

    def commit(self, connection: Connection) -> None:
        runner, world = self.runner, self.runner.world
        if runner.reach(Place.COMMIT) is Fault.COMMIT_REFUSED:
            world.took_effect(Fault.COMMIT_REFUSED, runner)
            raise _broken("COMMIT")
        super().commit(connection)
        runner.committed()
        watch.after_commit(world, runner.side)
        if runner.reach(Place.COMMITTED) is Fault.ANSWER_LOST:
            world.took_effect(Fault.ANSWER_LOST, runner)
            raise _broken("COMMIT")

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self.runner.transactions += 1
        try:
            yield
        finally:
            self.runner.transactions -= 1

    def _begin(self) -> None:
        runner, world = self.runner, self.runner.world
        if runner.reach(Place.BEGIN) is Fault.DATABASE_OUT:
            world.database_out[runner.side] = world.rng.randint(1, 6)
        if world.database_out[runner.side] and not runner.calm:
            world.database_out[runner.side] -= 1
            world.took_effect(Fault.DATABASE_OUT, runner)
            raise _broken("BEGIN")


def before_statement(runner: Runner) -> None:
    """Pass the seam before a statement in a transaction."""
    if runner.reach(Place.STATEMENT) is Fault.CONNECTION_LOST:
        runner.world.took_effect(Fault.CONNECTION_LOST, runner)
        raise _broken("SELECT")


def _broken(statement: str) -> OperationalError:
    return OperationalError(statement, {}, Exception("the connection broke in the simulation"))


class Waiting(threading.Event):
    """What patience waits for: the simulated time moves, and the trouble ends after some tries."""

    def __init__(self, runner: Runner) -> None:
        super().__init__()
        self.runner = runner

    def wait(self, timeout: float | None = None) -> bool:
        runner, world = self.runner, self.runner.world
        runner.waits += 1
        world.move(timedelta(seconds=timeout or 0.0))
        if runner.waits == PATIENT:
            world.heal()
            runner.calm = True
        if runner.waits >= TOO_LONG or runner.reach(Place.WAIT) is Fault.STOPPED_WAITING:
            world.took_effect(Fault.STOPPED_WAITING, runner)
            return True
        return False


def patience(runner: Runner) -> Patience:
    """Return the patience of a simulated process."""
    return Patience(Waiting(runner))


class Key:
    """The CA key in one process: it may be out, and some items break who signs them."""

    def __init__(self, runner: Runner, key: SigningKey) -> None:
        self._runner = runner
        self._key = key
        self.kind: str = key.kind
        self.public_key = key.public_key
        self.signature_hash: SignatureHash | None = key.signature_hash

    def sign(self, tbs: bytes) -> bytes:
        runner, world = self._runner, self._runner.world
        if runner.reach(Place.KEY) is Fault.KEY_OUT:
            world.took_effect(Fault.KEY_OUT, runner)
            raise KeyUnavailable("out in the simulation")
        runner.within_batch(runner.signed)
        watch.at_the_key(world, runner, tbs)
        runner.signed += 1
        if world.breaks(b"poison", tbs):
            world.took_effect(Fault.ITEM_FAILS, runner)
            raise ZeroDivisionError
        if world.breaks(b"deadly", tbs):
            world.took_effect(Fault.ITEM_KILLS, runner)
            raise Killed(Fault.ITEM_KILLS)
        return self._key.sign(tbs)
