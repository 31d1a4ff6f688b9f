"""Both sides in one process, without threads: a test delivers each message itself.

The real actors, databases, settings, keys and checks; only the broker's deliveries and the clock are
in the test's hands.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.actors.patience import Patience
from pipeline.actors.signer import bind_signer
from pipeline.actors.web import bind_web
from pipeline.approve import decision as decisions
from pipeline.approve import waiting
from pipeline.broker.memory import MemoryBroker, drain
from pipeline.crypto import identity
from pipeline.errors import MessageRefused
from pipeline.messages import WakeUp
from pipeline.run.signer_clock import SignerClock
from pipeline.run.signer_side import open_signer_side
from pipeline.run.web_clock import WebClock
from pipeline.run.web_side import open_web_side
from pipeline.setup.directory import create
from pipeline.setup.options import SetupOptions
from pipeline.signer import operate
from pipeline.stages import DECIDE, DELIVER, POLICY, RELAY, SIGN, STAGES, TRANSMIT, Stage
from pipeline.states import State
from pipeline.web.intake import Intake
from pipeline.web.submit import Wish, submit
from pipeline.web.withdraw import withdraw
from settings.signer import load_signer
from settings.web import load_web
from tests import factories
from tests.flow.databases import Databases
from tests.flow.in_hand import Recorder, Time

APPROVERS = ("approver", "approver-2")


class World(Databases):
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
        super().__init__(web_url or web_settings.database, signer_url or signer_settings.database)
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
        """Close the clock and the databases."""
        self.web_clock.close()
        super().close()

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
