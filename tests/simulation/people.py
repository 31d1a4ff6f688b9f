"""What requesters, approvers and operators do; each as an errand of a process, so each can die."""

import dataclasses
from dataclasses import dataclass

from pipeline.approve import decision as decisions
from pipeline.approve import waiting
from pipeline.approve.decision import Verdict
from pipeline.errors import RequesterError
from pipeline.signer import operate
from pipeline.stages import DECIDE
from pipeline.web.idempotency import once
from pipeline.web.intake import Intake
from pipeline.web.submit import Wish, submit
from pipeline.web.withdraw import withdraw
from tests.simulation.faults import Fault
from tests.simulation.runner import Runner
from tests.simulation.template import csr
from tests.simulation.world import Wanted, World

REQUESTER = "somebody"
NAMES = (
    ("test", 45),
    ("example.com", 25),
    ("two.example.com", 12),
    ("invalid", 5),
    ("poison.test", 10),
    ("deadly.test", 8),
    ("lethal.test", 4),
)
REASON = "This name is not ours."


@dataclass
class People:
    """Everybody outside."""

    world: World

    def new(self) -> None:
        """Submit something new."""
        world, number = self.world, len(self.world.wanted) + 1
        endings, weights = zip(*NAMES, strict=True)
        (ending,) = world.rng.choices(endings, weights)
        wanted = Wanted(f"r{number}", f"h{number}.{ending}", f"key-{number}")
        world.wanted.append(wanted)
        self.submit(wanted)

    def submit(self, wanted: Wanted) -> None:
        """Submit, for the first time or again with the same idempotency key."""
        world, again = self.world, wanted.id is not None

        def work() -> None:
            key = once(wanted.key, wanted.name.encode())
            wish = Wish(csr(wanted.name), "server", "api", REQUESTER, once=key)
            intake = Intake(world.web.database)
            found = submit(intake, world.template.web_settings, wish, world.web.now)
            if wanted.id not in (None, found.id):
                world.wrong(f"{wanted.label} was acknowledged as two requests")
            wanted.id = found.id
            world.labels[found.id] = wanted.label
            if found.again:
                world.took_effect(Fault.SUBMITTED_AGAIN, world.web)

        errand = f"submit {wanted.label} {wanted.name}" + (" again" if again else "")
        world.tell(world.web, errand)
        world.web.start(errand, work)

    def withdraw(self, wanted: Wanted) -> None:
        """Wish to withdraw."""
        world = self.world

        def work() -> None:
            assert wanted.id is not None
            try:
                withdraw(world.web.database, wanted.id, REQUESTER, world.web.now())
            except RequesterError as error:
                if error.slug != "already-final":
                    raise

        world.tell(world.web, f"withdraw {wanted.label}")
        world.web.start(f"withdraw {wanted.label}", work)

    def decide(self, approver: Runner, request_id: str, verdict: Verdict, *, wrong: bool) -> None:
        """Decide on a request; ``wrong``: what is shown is not what the signer has."""
        world = self.world

        def work() -> None:
            request = waiting.get(approver.database, request_id)
            if request is None:
                return
            about = request.approvable()
            if wrong:
                about = dataclasses.replace(about, csr=csr("other.example.com"))
            made = decisions.decide(about, verdict, REASON, approver.now())
            me = world.template.identities[approver.name]
            message_id, octets = decisions.seal(made, me, approver.now)
            world.spools[approver.name][message_id] = octets
            world.decided.append(message_id)
            self._carry(approver, octets)

        errand = f"decide {verdict} {world.labels.get(request_id, request_id)}"
        world.tell(approver, errand + (" wrongly" if wrong else ""))
        approver.start(errand, work)

    def repeat(self, approver: Runner) -> None:
        """Send again what the signer's database does not show yet."""
        spool = self.world.spools[approver.name]

        def work() -> None:
            for message_id in waiting.recorded(approver.database, approver.name, spool):
                del spool[message_id]
            for octets in list(spool.values()):
                self._carry(approver, octets)

        if spool:
            approver.start("repeat", work)

    def _carry(self, approver: Runner, octets: bytes) -> None:
        exchange = self.world.exchange
        approver.through_broker(DECIDE.queue, lambda: exchange.publish(DECIDE.queue, octets))

    def operate(self, verb: str, request_id: str = "") -> None:
        """Let the operator do something."""
        world, operator = self.world, self.world.operator
        database = operator.database

        def work() -> None:
            now = operator.now()
            try:
                if verb == "suspend":
                    operate.suspend(database, "audit", operator.name, now)
                elif verb == "resume":
                    operate.resume(database, "audit is over", operator.name, now)
                elif verb == "retry":
                    operate.retry(database, request_id, operator.name, now)
                else:
                    operate.reject(database, request_id, REASON, operator.name, now)
            except (operate.NotFound, operate.NotPossible) as error:
                world.tell(operator, f"is told: {type(error).__name__}")

        errand = f"{verb} {world.labels.get(request_id, request_id)}".strip()
        world.tell(operator, errand)
        operator.start(errand, work)
