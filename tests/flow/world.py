"""Both sides in one process, without threads: a test delivers each message itself.

The real actors, databases, settings, keys and checks; only the broker's deliveries and the clock are
in the test's hands.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from pipeline.actors.patience import Patience
from pipeline.actors.signer import bind_signer
from pipeline.actors.web import bind_web
from pipeline.approve import decision as decisions
from pipeline.approve import waiting
from pipeline.broker.memory import Exchange, MemoryBroker, drain
from pipeline.crypto import identity
from pipeline.database.engine import open_database
from pipeline.database.migrate import migrate
from pipeline.errors import MessageRefused
from pipeline.messages import WakeUp
from pipeline.run.signer_clock import SignerClock
from pipeline.run.signer_side import open_signer_side
from pipeline.run.web_clock import WebClock
from pipeline.run.web_side import open_web_side
from pipeline.setup.directory import create
from pipeline.setup.options import SetupOptions
from pipeline.signer import operate
from pipeline.signer import tables as signer_tables
from pipeline.stages import DECIDE, DELIVER, POLICY, RELAY, SIGN, STAGES, TRANSMIT, Stage
from pipeline.states import State
from pipeline.web import tables as web_tables
from pipeline.web.intake import Intake
from pipeline.web.submit import Wish, submit
from pipeline.web.withdraw import withdraw
from settings.signer import load_signer
from settings.web import load_web
from tests import factories

APPROVERS = ("approver", "approver-2")


@dataclass
class Time:
    """A clock that a test moves."""

    moment: datetime = field(default_factory=lambda: datetime.now(UTC))  # noqa: TID251

    def __call__(self) -> datetime:
        self.moment += timedelta(microseconds=1)
        return self.moment

    def move(self, **span: float) -> None:
        """Move the clock."""
        self.moment += timedelta(**span)


@dataclass
class Recorder(Exchange):
    """An exchange that remembers every message that was ever published."""

    published: list[tuple[str, bytes]] = field(default_factory=list)

    def publish(self, name: str, octets: bytes) -> None:
        super().publish(name, octets)
        self.published.append((name, octets))


class World:
    """Both sides, with their databases, set up in ``directory``."""

    def __init__(
        self,
        directory: Path,
        web_url: str | None = None,
        signer_url: str | None = None,
        *,
        approvers: tuple[str, ...] = APPROVERS,
        policy: str | None = None,
        rules: str = "",
        ca_path_length: int = 0,
    ) -> None:
        """``policy`` is in place of the shipped one, ``rules`` are added to it, both in TOML."""
        self.directory = directory
        create(
            SetupOptions(
                directory=directory,
                approvers=approvers,
                development=True,
                ca_path_length=ca_path_length,
            )
        )
        self.policy_file = directory / "signer" / "policy.toml"
        if policy is not None:
            self.policy_file.write_text(policy, "utf-8")
        with self.policy_file.open("a", encoding="utf-8") as file:
            file.write(rules)
        self.time = Time()
        self.exchange = Recorder()
        web_settings = load_web(directory / "web")
        signer_settings = load_signer(directory / "signer")
        self.web_database = open_database(web_url or web_settings.database)
        self.signer_database = open_database(signer_url or signer_settings.database)
        migrate(self.web_database, "web")
        migrate(self.signer_database, "signer")
        web = open_web_side(
            web_settings,
            directory / "web",
            self.web_database,
            exchange=self.exchange,
            clock=self.time,
        )
        signer = open_signer_side(
            signer_settings,
            directory / "signer",
            self.signer_database,
            signs=True,
            exchange=self.exchange,
            clock=self.time,
        )
        self.web, self.signer = web.side, signer.side
        bind_web(web.broker, web.side, Patience())
        bind_signer(signer.broker, signer.side, Patience())
        self.brokers: dict[str, MemoryBroker] = {}
        for broker in (web.broker, signer.broker):
            assert isinstance(broker, MemoryBroker)
            self.brokers |= dict.fromkeys(broker.queues, broker)
        self.web_clock = WebClock(web.side)
        self.signer_clock = SignerClock(signer.side)

    def close(self) -> None:
        """Close the databases."""
        self.web_clock.close()
        self.web_database.dispose()
        self.signer_database.dispose()

    # --- messages ---------------------------------------------------------------------------

    def waiting(self, stage: Stage) -> list[bytes]:
        """Take everything that lies on a stage's queue."""
        return drain(self.exchange.queues[stage.queue])

    def deliver(self, stage: Stage, octets: bytes, *, redelivered: bool = False) -> bool:
        """Deliver one message to a stage; return whether it passed the gate."""
        broker = self.brokers[stage.queue]
        try:
            message = broker.gate.admit(octets, stage.queue, redelivered=redelivered)
        except MessageRefused as refused:
            self.exchange.dead_letters.append((stage.queue, refused.reason, octets))
            return False
        broker.actors[message.actor_name].fn(*message.args)
        return True

    def wake(self, stage: Stage) -> None:
        """Let a stage look at its rows."""
        side = self.web if stage in (RELAY, DELIVER) else self.signer
        side.send(stage, WakeUp())
        for octets in self.waiting(stage):
            self.deliver(stage, octets)

    def run(self, filtered: Callable[[str, bytes], Iterable[bytes]] | None = None) -> None:
        """Deliver messages until none is left; ``filtered`` may drop or repeat each."""
        while any(not queue.empty() for queue in self.exchange.queues.values()):
            for name, queue in list(self.exchange.queues.items()):
                for octets in drain(queue):
                    for again in filtered(name, octets) if filtered else [octets]:
                        self.deliver(STAGES[name], again)

    def purge(self) -> None:
        """Lose everything that lies on any queue."""
        for queue in self.exchange.queues.values():
            drain(queue)

    def sweep(self) -> None:
        """Let both clocks do what they do at intervals, and deliver what comes of it."""
        self.web_clock.repair()
        self.signer_clock.repair()
        self.web_clock.sweep()
        self.signer_clock.expire()
        self.signer_clock.sweep()
        self.run()

    @contextmanager
    def signing_suspended(self) -> Iterator[None]:
        """Sign nothing while the block runs, so that what may be signed waits for it."""
        operate.suspend(self.signer_database, "a test", "operator", self.time())
        yield
        operate.resume(self.signer_database, "a test", "operator", self.time())

    # --- people -----------------------------------------------------------------------------

    def submit(
        self,
        *names: str,
        csr: bytes | None = None,
        profile: str = "server",
        requester: str | None = None,
        run: bool = False,
    ) -> str:
        """Submit a CSR as the API does; return the request's id."""
        octets = csr if csr is not None else factories.csr(names=[f"DNS:{name}" for name in names])
        wish = Wish(octets, profile, "api", requester)
        request_id = submit(Intake(self.web_database), self.web.settings, wish, self.time).id
        self.web_clock.sweep()
        if run:
            self.run()
        return request_id

    def decision(
        self, request_id: str, verdict: Any, approver: str = "approver", reason: str = ""
    ) -> bytes:
        """Return the signed decision of an approver on what they are shown."""
        request = waiting.get(self.signer_database, request_id)
        assert request is not None
        folder = self.directory / "approvers" / approver
        me = identity.load(folder / "message.pem", folder / "message.key")
        made = decisions.decide(request.approvable(), verdict, reason, self.time())
        return decisions.seal(made, me, self.time)[1]

    def decide(
        self, request_id: str, verdict: str, approver: str = "approver", reason: str = ""
    ) -> None:
        """Let an approver decide, and the decision arrive."""
        self.deliver(DECIDE, self.decision(request_id, verdict, approver, reason))
        self.run()

    def withdraw(self, request_id: str, requester: str | None = None) -> None:
        """Let the requester wish to withdraw."""
        withdraw(self.web_database, request_id, requester, self.time())
        self.web_clock.sweep()
        self.run()

    # --- what there is ----------------------------------------------------------------------

    def web_row(self, request_id: str) -> Any:
        """Return the web side's row of a request."""
        return self._row(self.web_database, web_tables.requests, request_id)

    def signer_row(self, request_id: str) -> Any:
        """Return the signer's row of a request."""
        return self._row(self.signer_database, signer_tables.requests, request_id)

    def states(self, request_id: str) -> tuple[str, str | None]:
        """Return the request's state on the web side and at the signer."""
        signer = self.signer_row(request_id)
        return self.web_row(request_id).state, signer.state if signer else None

    def certificate(self, request_id: str) -> bytes:
        """Return the certificate, which must be the same on both sides."""
        mine = self._certificate(self.web_database, web_tables.certificates, request_id)
        theirs = self._certificate(self.signer_database, signer_tables.certificates, request_id)
        assert mine == theirs
        return mine

    def snapshot(self) -> dict[str, list[Any]]:
        """Return all that a repeated message must not change: state, bytes, decisions, audit."""
        found: dict[str, list[Any]] = {}
        for name, database, tables in (
            ("web", self.web_database, web_tables),
            ("signer", self.signer_database, signer_tables),
        ):
            with database.read() as connection:
                requests = tables.requests
                found[f"{name}.requests"] = [
                    tuple(row)
                    for row in connection.execute(
                        select(
                            requests.c.id,
                            requests.c.state,
                            requests.c.revision,
                            requests.c.reason,
                            requests.c.changed_at,
                        ).order_by(requests.c.id)
                    )
                ]
                for table in (tables.submissions, tables.certificates):
                    found[f"{name}.{table.name}"] = [
                        tuple(row)
                        for row in connection.execute(select(table).order_by(table.c.request_id))
                    ]
                audit = tables.audit
                found[f"{name}.audit"] = [
                    tuple(row)
                    for row in connection.execute(
                        select(audit.c.event, audit.c.request_id, audit.c.details)
                        .where(audit.c.event == "state-changed")
                        .order_by(audit.c.id)
                    )
                ]
        with self.signer_database.read() as connection:
            table = signer_tables.decisions
            found["decisions"] = [
                tuple(row) for row in connection.execute(select(table).order_by(table.c.id))
            ]
        return found

    def audited(self, database: Any, audit: Any, request_id: str) -> list[tuple[Any, Any]]:
        """Return a request's state changes, as (from, to), from the audit table."""
        with database.read() as connection:
            entries = connection.scalars(
                select(audit.c.details)
                .where(audit.c.request_id == request_id, audit.c.event == "state-changed")
                .order_by(audit.c.id)
            ).all()
        return [(entry["from"], entry["to"]) for entry in entries]

    def _row(self, database: Any, table: Any, request_id: str) -> Any:
        with database.read() as connection:
            return connection.execute(select(table).where(table.c.id == request_id)).one_or_none()

    def _certificate(self, database: Any, table: Any, request_id: str) -> bytes:
        with database.read() as connection:
            octets: bytes = connection.scalars(
                select(table.c.certificate).where(table.c.request_id == request_id)
            ).one()
        return octets


__all__ = [
    "APPROVERS",
    "DECIDE",
    "DELIVER",
    "POLICY",
    "RELAY",
    "SIGN",
    "TRANSMIT",
    "State",
    "World",
]
