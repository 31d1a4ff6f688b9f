"""Both sides in one process with real workers, databases and keys, for attacks to be tried on.

Nothing but messages moves anything: there are no clocks, so what changes is an attack's doing.
"""

import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import dramatiq
import msgspec
import pika
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from sqlalchemy import Table, select, update

from pipeline.actors.patience import Patience
from pipeline.actors.signer import bind_signer
from pipeline.actors.web import bind_web
from pipeline.approve import decision as decisions
from pipeline.approve import waiting
from pipeline.broker.memory import Exchange
from pipeline.broker.publisher import open_publisher
from pipeline.broker.rabbitmq import REASON
from pipeline.crypto import identity
from pipeline.crypto.identity import Identity
from pipeline.database.engine import Database, open_database
from pipeline.database.migrate import migrate
from pipeline.errors import BrokerUnavailable
from pipeline.messages import Outcome, OutcomeBatch, Submission, SubmissionBatch, WakeUp
from pipeline.run.signer_side import open_signer_side
from pipeline.run.web_side import open_web_side
from pipeline.run.worker import is_alive, start_worker
from pipeline.setup.directory import create
from pipeline.setup.message_ca import MessageCa
from pipeline.setup.options import SetupOptions
from pipeline.signer import tables as signer_tables
from pipeline.stages import DECIDE, DELIVER, POLICY, RELAY, STAGES, Role, Stage
from pipeline.states import State
from pipeline.web import tables as web_tables
from pipeline.web.intake import Intake
from pipeline.web.submit import Wish, submit
from settings.common import EMBEDDED
from settings.signer import load_signer
from settings.web import load_web
from tests import factories
from tests.attacks import forge

NOT_FOR_EVER: Final = 240.0

TWO_APPROVERS: Final = """
[[rules]]
name = "two approvers"
any_name = ["*.two.example.com"]
action = "approve"
quorum = 2
"""


@dataclass(frozen=True, slots=True)
class Genuine:
    """A message that an honest sender made, and whom or what it is about."""

    stage: Stage
    octets: bytes
    me: Identity
    about: str = ""


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


class Ground:
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
        setup = directory / "setup"
        self.message_ca = MessageCa(
            x509.load_pem_x509_certificate((setup / "message-ca.pem").read_bytes()),
            load_pem_private_key((setup / "message-ca.key").read_bytes(), None),  # type: ignore[arg-type]
        )
        self.me = {
            name: self._identity(folder)
            for name, folder in (
                ("web", "web"),
                ("signer", "signer"),
                ("approver", "approvers/approver"),
                ("approver-2", "approvers/approver-2"),
            )
        }
        self.publisher = None if broker == EMBEDDED else open_publisher(broker)
        for queue in STAGES:
            self.wait(partial(self._declared, queue))
        self.wait(lambda: sum(self.refused.values()) == len(STAGES))
        # The web side learns the issuing CAs now, and not while somebody compares what it knows.
        issuing = OutcomeBatch(issuers=self.signer.side.issuers.notices())
        self.work_off(DELIVER, self.sealed(DELIVER, "signer", issuing).octets)

    def _open_sides(self) -> None:
        web = replace_fields(load_web(self.directory / "web"), broker=self.url)
        signer = replace_fields(load_signer(self.directory / "signer"), broker=self.url)
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
            taken = [(reason, octets) for name, reason, octets in self.exchange.dead_letters
                     if name == queue]  # fmt: skip
            self.exchange.dead_letters.clear()
            return taken
        found: list[tuple[str, bytes]] = []
        with pika.BlockingConnection(pika.URLParameters(self.url)) as connection:
            channel = connection.channel()
            while True:
                method, properties, octets = channel.basic_get(f"{queue}.XQ", auto_ack=True)
                if method is None or properties is None or octets is None:
                    return found
                found.append((str((properties.headers or {}).get(REASON)), octets))

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

    # --- honest people ----------------------------------------------------------------------------

    def genuine(self, stage: Stage, *, requested: datetime | None = None) -> Genuine:
        """Return a genuine message to a stage that will take effect when it is delivered."""
        sent_at = requested or self.now()
        if stage is POLICY:
            wanted = self.submission()
            return self.sealed(stage, "web", SubmissionBatch([wanted]), wanted.id, sent_at)
        if stage is DECIDE:
            return self.decision(self.waiting_request(), "accept")
        if stage is DELIVER:
            request_id = self.web_request()
            outcome = Outcome(request_id, 1, State.REJECTED, self.now(), "It must not be.")
            return self.sealed(stage, "signer", OutcomeBatch([outcome]), request_id, sent_at)
        sender = "web" if stage is RELAY else "signer"
        return self.sealed(stage, sender, WakeUp(), moment=sent_at)

    def sealed(
        self, stage: Stage, sender: str, body: Any, about: str = "", moment: datetime | None = None
    ) -> Genuine:
        """Seal a body as one of the installation's own identities."""
        me = self.me[sender]
        octets = forge.seal(me, stage, new_id(), body, moment or self.now())
        return Genuine(stage, octets, me, about)

    def deliver(self, genuine: Genuine) -> None:
        """Deliver a genuine message and see that it takes effect."""
        assert not self.has_effect(genuine)
        self.work_off(genuine.stage, genuine.octets)
        self.wait(lambda: self.has_effect(genuine, done=True))

    def has_effect(self, genuine: Genuine, *, done: bool = False) -> bool:
        """Say whether a message has done what it is for; a wake-up without work has when it is
        ``done``."""
        if genuine.stage is POLICY:
            return self.state(genuine.about) is not None
        if genuine.stage is DECIDE:
            return self.state(genuine.about) == State.ISSUED
        if genuine.stage is DELIVER:
            return self.web_state(genuine.about) == State.REJECTED
        return done

    def submission(self, name: str = "", **changes: Any) -> Submission:
        """Return a new submission of the web side, that an approver would have to decide."""
        csr = factories.csr(names=[f"DNS:{name or f'{new_id()}.example.com'}"])
        fields: dict[str, Any] = {
            "id": new_id(),
            "csr": csr,
            "profile": "server",
            "source": "api",
            "submitted_at": self.now(),
        }
        return Submission(**fields | changes)

    def waiting_request(self, name: str = "") -> str:
        """Let the web side submit a request that waits for an approver; return its id."""
        wanted = self.submission(name)
        message = self.sealed(POLICY, "web", SubmissionBatch([wanted]), wanted.id)
        self.work_off(POLICY, message.octets)
        assert self.state(wanted.id) == State.WAITING_FOR_APPROVAL
        return wanted.id

    def decision(self, request_id: str, verdict: Any, approver: str = "approver") -> Genuine:
        """Return an approver's decision on what they are shown."""
        request = waiting.get(self.signer_database, request_id)
        assert request is not None
        reason = "" if verdict == "accept" else "It must not be."
        made = decisions.decide(request.approvable(), verdict, reason, self.now())
        return self.sealed(DECIDE, approver, made, request_id)

    def web_request(self) -> str:
        """Let somebody submit a request on the web side, which nobody relays."""
        wish = Wish(factories.csr(names=[f"DNS:{new_id()}.example.com"]), "server", "api", None)
        request_id = submit(Intake(self.web_database), self.web.side.settings, wish, self.now).id
        with self.web_database.write() as connection:
            rows = web_tables.requests
            connection.execute(
                update(rows).where(rows.c.id == request_id).values(next_attempt_at=None)
            )
        return request_id

    # --- trust ------------------------------------------------------------------------------------

    def trust(self, certificate: x509.Certificate, *, side: str = "signer") -> Path:
        """Put a certificate into a side's trust folder, as its operator would."""
        file = self.directory / side / "trusted" / f"{new_id()}.pem"
        file.write_bytes(certificate.public_bytes(Encoding.PEM))
        self.look_again()
        return file

    def look_again(self) -> None:
        """Let both sides look into their trust folders at once."""
        for opened in (self.web, self.signer):
            trust = opened.broker.gate.envelope.trust
            assert trust is not None
            trust.refresh()

    # --- what there is ----------------------------------------------------------------------------

    def now(self) -> datetime:
        """Return the time."""
        return datetime.now(UTC)  # noqa: TID251 - the attacker's clock is their own

    def state(self, request_id: str) -> str | None:
        """Return the state of a request at the signer."""
        return _state(self.signer_database, signer_tables.requests, request_id)

    def web_state(self, request_id: str) -> str | None:
        """Return the state of a request on the web side."""
        return _state(self.web_database, web_tables.requests, request_id)

    def dump(self) -> dict[str, list[Any]]:
        """Return all that only an admitted message may change, of both databases."""
        found: dict[str, list[Any]] = {}
        for side, database, tables in (
            ("web", self.web_database, web_tables),
            ("signer", self.signer_database, signer_tables),
        ):
            with database.read() as connection:
                for table in tables.metadata.sorted_tables:
                    if table.name not in ("heartbeats", "tries"):
                        rows = connection.exec_driver_sql(_select(table)).fetchall()
                        found[f"{side}.{table.name}"] = [tuple(row) for row in rows]
        return found

    def traces(self) -> Counter[str]:
        """Return what both sides noted of messages that were admitted and came to nothing."""
        found: Counter[str] = Counter()
        for database, audit in (
            (self.web_database, web_tables.audit),
            (self.signer_database, signer_tables.audit),
        ):
            with database.read() as connection:
                found.update(connection.scalars(select(audit.c.event)))
        with self.signer_database.read() as connection:
            found.update(connection.scalars(select(signer_tables.decisions.c.effect)))
        for usual in ("state-changed", "message-refused", "decision-recorded", "counted"):
            del found[usual]
        return found

    def _identity(self, folder: str) -> Identity:
        place = self.directory / folder
        return identity.load(place / "message.pem", place / "message.key")


_OF_THE_WORK: Final = ("told_revision", "tell_at", "attempts", "next_attempt_at", "last_used_at")
"""Columns that say what work is due; messages that are known already may ask for it again."""


def _select(table: Table) -> str:
    """Return a statement that reads a table as the database holds it."""
    columns = ", ".join(f'"{c.name}"' for c in table.c if c.name not in _OF_THE_WORK)
    wanted = {"audit": "event = 'state-changed'", "decisions": "effect = 'counted'"}
    return (
        f"SELECT {columns} FROM {table.name} WHERE {wanted.get(table.name, 'true')} ORDER BY 1, 2"
    )


def new_id() -> str:
    """Return an id that nobody has used."""
    return str(uuid.uuid4())


def replace_fields(struct: Any, **changes: Any) -> Any:
    """Return a struct with some of its fields changed."""
    return msgspec.structs.replace(struct, **changes)


def _state(database: Database, requests: Any, request_id: str) -> str | None:
    with database.read() as connection:
        found: str | None = connection.scalar(
            select(requests.c.state).where(requests.c.id == request_id)
        )
    return found
