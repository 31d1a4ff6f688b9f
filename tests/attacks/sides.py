"""Both sides in one process with real workers, databases and keys, and the wire between them.

Nothing but messages moves anything: there are no clocks, so what changes is an attack's doing.
"""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import dramatiq
import msgspec
import pika

from pipeline.actors.patience import Patience
from pipeline.actors.signer import bind_signer
from pipeline.actors.web import bind_web
from pipeline.broker.memory import Exchange
from pipeline.broker.publisher import open_publisher
from pipeline.database.engine import open_database
from pipeline.database.migrate import migrate
from pipeline.errors import BrokerUnavailable
from pipeline.run.signer_side import open_signer_side
from pipeline.run.web_side import open_web_side
from pipeline.run.worker import is_alive, start_worker
from pipeline.setup.directory import create
from pipeline.setup.options import SetupOptions
from pipeline.signer import tables as signer_tables
from pipeline.stages import STAGES, Role, Stage
from pipeline.web import tables as web_tables
from settings.common import EMBEDDED
from settings.signer import load_signer
from settings.web import load_web
from tests.attacks import dead_letters, effects
from tests.waiting import NOT_FOR_EVER

TWO_APPROVERS: Final = """
[[rules]]
name = "two approvers"
any_name = ["*.two.example.com"]
action = "approve"
quorum = 2
"""


class Watch(dramatiq.Middleware):
    """Counts what the stages have worked off, and keeps what they raised."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()
        self.raised: list[BaseException] = []

    def after_process_message(
        self,
        broker: dramatiq.Broker,
        message: dramatiq.MessageProxy,
        *,
        result: Any = None,
        exception: BaseException | None = None,
    ) -> None:
        """Note that a stage is done with a message."""
        if exception is not None:
            self.raised.append(exception)
        self.done[message.queue_name] += 1


class Sides:
    """Both sides on SQLite and on ``broker``: ``memory:``, or the URL of a vhost of RabbitMQ."""

    def __init__(self, directory: Path, broker: str) -> None:
        self.directory = directory
        self.url = broker
        options = SetupOptions(
            directory=directory, approvers=("approver", "approver-2"), development=True
        )
        create(options)
        with (directory / "signer" / "policy.toml").open("a", encoding="utf-8") as policy:
            policy.write(TWO_APPROVERS)
        self.exchange = Exchange()
        self.watch = Watch()
        self._open_sides()
        self.publisher = None if broker == EMBEDDED else open_publisher(broker)
        for queue in STAGES:
            self.wait(partial(self._declared, queue))
        self.wait(lambda: sum(self.refused.values()) == len(STAGES))

    def _open_sides(self) -> None:
        web = msgspec.structs.replace(load_web(self.directory / "web"), broker=self.url)
        signer = msgspec.structs.replace(load_signer(self.directory / "signer"), broker=self.url)
        self.web_database = open_database(web.database)
        self.signer_database = open_database(signer.database)
        migrate(self.web_database, "web")
        migrate(self.signer_database, "signer")
        self.web = open_web_side(
            web, self.directory / "web", self.web_database, exchange=self.exchange
        )
        self.signer = open_signer_side(
            signer,
            self.directory / "signer",
            self.signer_database,
            signs=True,
            exchange=self.exchange,
        )
        bind_web(self.web.broker, self.web.side, Patience())
        bind_signer(self.signer.broker, self.signer.side, Patience())
        for opened in (self.web, self.signer):
            opened.broker.add_middleware(self.watch)
        self.workers = [
            start_worker(self.web.broker, Role.WEB, 1),
            start_worker(self.signer.broker, Role.SIGNER, 1),
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.stop(timeout=10_000)
        for opened in (self.web, self.signer):
            opened.broker.close()
        if self.publisher is not None:
            self.publisher.close()
        for database in (self.web_database, self.signer_database):
            database.dispose()

    # --- the wire ---------------------------------------------------------------------------------

    def publish(
        self, queue: str, octets: bytes, properties: pika.BasicProperties | None = None
    ) -> None:
        """Put octets on a queue; only RabbitMQ knows properties."""
        if self.publisher is None:
            self.exchange.publish(queue, octets)
        elif properties is None:
            self.publisher.publish(queue, octets)
        else:
            with pika.BlockingConnection(pika.URLParameters(self.url)) as connection:
                channel = connection.channel()
                channel.confirm_delivery()
                channel.basic_publish(queue, queue, octets, properties, mandatory=True)

    def dead_letters(self, queue: str) -> list[tuple[str, bytes]]:
        """Take the dead letters of a queue, as (reason, octets)."""
        if self.publisher is None:
            taken = []
            with suppress(IndexError):  # one by one: the workers may add to them meanwhile
                while True:
                    taken.append(self.exchange.dead_letters.popleft())
            return [(reason, octets) for name, reason, octets in taken if name == queue]
        return dead_letters.take(self.url, queue)

    @property
    def refused(self) -> Counter[tuple[str, str, str]]:
        """What both gates have refused so far, by queue, reason and sender."""
        return self.web.refusals.counts + self.signer.refusals.counts

    def wait(self, condition: Callable[[], object]) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + NOT_FOR_EVER
        while not condition():
            assert time.monotonic() < deadline, self.watch.raised
            time.sleep(0.002)

    def work_off(self, stage: Stage, octets: bytes) -> None:
        """Publish a message that the gate admits, and wait until its stage is done with it."""
        before = self.watch.done[stage.queue]
        self.publish(stage.queue, octets)
        self.wait(lambda: self.watch.done[stage.queue] > before)

    def is_alive(self) -> bool:
        """Say whether every thread of both workers lives, and no stage has raised anything."""
        return all(is_alive(worker) for worker in self.workers) and not self.watch.raised

    def _declared(self, queue: str) -> bool:
        try:
            self.publish(queue, b"is anybody there")
        except BrokerUnavailable:
            return False
        return True

    # --- what there is ----------------------------------------------------------------------------

    def now(self) -> datetime:
        """Return the time."""
        return datetime.now(UTC)  # noqa: TID251 - the attacker's clock is their own

    def state(self, request_id: str) -> str | None:
        """Return the state of a request at the signer."""
        return effects.state(self.signer_database, signer_tables.requests, request_id)

    def web_state(self, request_id: str) -> str | None:
        """Return the state of a request on the web side."""
        return effects.state(self.web_database, web_tables.requests, request_id)

    def dump(self) -> dict[str, list[Any]]:
        """Return all that only an admitted message may change, of both databases."""
        return effects.dump(self.web_database, self.signer_database)

    def traces(self) -> Counter[str]:
        """Return what both sides noted of messages that were admitted and came to nothing."""
        return effects.traces(self.web_database, self.signer_database)
