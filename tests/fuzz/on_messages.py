"""Messages: tokens, payloads and bodies, up to the stage that believes them."""

from functools import cache
from io import StringIO
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec
from rich.console import Console

from pipeline.approve import as_json, csr_view, waiting
from pipeline.approve.facts import gather
from pipeline.approve.screen import screen
from pipeline.approve.spool import Spool, SpoolDamaged
from pipeline.broker.dead_letters import DeadLetter
from pipeline.broker.properties import CarefulProperties
from pipeline.crypto import identity, jws
from pipeline.crypto.envelope import Envelope
from pipeline.database.export import written
from pipeline.errors import MessageRefused
from pipeline.messages import SubmissionBatch
from pipeline.stages import DECIDE, DELIVER, POLICY, STAGES, Role, Stage
from pipeline.web.reconcile import Known, reconcile
from tests import factories, recorded
from tests.attacks import forge
from tests.flow.world import World
from tests.fuzz import mutators
from tests.fuzz.target import Target

QUEUES: Final = sorted(STAGES)
STAGED: Final = (POLICY, DECIDE, DELIVER)
"""The stages whose messages carry something."""

KNOWN_ID: Final = "01890000-0000-7000-8000-0000000000aa"
"""A request that the web side has, so that outcomes have something to speak of."""

_message_numbers = count(1)


@cache
def envelopes() -> dict[str, Envelope]:
    """Return for each queue what seals as the one who may send to it, and opens."""
    by_role = {
        role: recorded.envelope(next(q for q in QUEUES if role in STAGES[q].senders))
        for role in Role
    }
    return {queue: by_role[next(iter(STAGES[queue].senders))] for queue in QUEUES}


def open_token(octets: bytes) -> None:
    """Open octets that were read from the queue that the first one chooses.

    What is accepted is what the sender would write again: a token has one form.
    """
    queue = QUEUES[octets[0] % len(QUEUES)] if octets else QUEUES[0]
    token = octets[1:]
    assert isinstance(DeadLetter("", queue, "", "", token).claims, dict)
    received = envelopes()[queue].open(token, queue)
    written = Envelope(envelopes()[queue].identity, None, lambda: received.sent_at)
    assert written.seal(received.id, received.stage, received.body) == token


def open_payload(octets: bytes) -> None:
    """Open a payload that one who may send to the queue has signed."""
    queue = QUEUES[octets[0] % len(QUEUES)] if octets else QUEUES[0]
    envelope = envelopes()[queue]
    me = envelope.identity
    token = jws.sign(octets[1:], me.private_key, me.certificate.thumbprint)
    assert isinstance(DeadLetter("", queue, "", "", token).claims, dict)
    envelope.open(token, queue)


class Stages:
    """Both sides, whose stages get bodies that their genuine senders signed."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder / "httpca")
        setup = folder / "httpca"
        self.senders = {
            stage.queue: identity.load(setup / place / "message.pem", setup / place / "message.key")
            for stage, place in zip(STAGED, ("web", "approvers/approver", "signer"), strict=True)
        }
        known = Known(KNOWN_ID, None, self.world.time(), factories.csr(), "server", "api", "")
        lines = written([msgspec.to_builtins(known)])
        reconcile(self.world.web_database, lines, "fuzz", self.world.time())

    def take(self, stage: Stage, body: bytes) -> None:
        """Sign a body, pass it through the gate, and let its stage have it.

        Raises:
            MessageRefused: by the gate.
        """
        me = self.senders[stage.queue]
        number = next(_message_numbers)
        payload = (
            b'{"v":1,"id":"01890000-0000-7000-8000-%012x","stage":"%b","queue":"%b",'
            b'"sent_at":"2026-05-17T12:30:15Z","body":%b}'
            % (number, stage.name.encode(), stage.queue.encode(), body)
        )
        octets = forge.signed(payload, me)
        broker = self.world.brokers[stage.queue]
        received = broker.gate.envelope.open(octets, stage.queue)
        self.world.purge()
        self.world.exchange.published.clear()
        broker.actors[stage.name].fn(received)
        if isinstance(received.body, SubmissionBatch):
            self.look(received.body)

    def look(self, body: SubmissionBatch) -> None:
        """Show what now waits to an approver."""
        for submission in body.submissions[:3]:
            request = waiting.get(self.world.signer_database, submission.id)
            if request is not None:
                facts = gather(request, "approver", self.world.time())
                as_json.whole(facts)
                console = Console(file=StringIO(), width=80)
                console.print(screen(facts, "approver", self.world.time()))
                console.print(csr_view.view(facts))


@cache
def _folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="httpca-fuzz-", ignore_cleanup_errors=True)


@cache
def stages() -> Stages:
    """Return the sides, set up when they are first asked for."""
    return Stages(Path(_folder().name))


def take_body(octets: bytes) -> None:
    """Give a body to the stage that the first octet chooses."""
    stage = STAGED[octets[0] % len(STAGED)] if octets else POLICY
    stages().take(stage, octets[1:])


def read_spooled(octets: bytes) -> None:
    """Read a file of an approver's spool."""
    folder = Path(_folder().name, "spool")
    folder.mkdir(exist_ok=True)
    spool = Spool(folder, sync=lambda _: None)
    spool.path(recorded.MESSAGE_ID).write_bytes(octets)
    found, damaged = spool.list()
    assert len(found) + len(damaged) == 1
    for error in damaged:
        raise error
    spool.remove(recorded.MESSAGE_ID)
    spool.add(recorded.MESSAGE_ID, octets)


def read_properties(octets: bytes) -> None:
    """Read the properties of an AMQP message: whatever is there, the consumer goes on."""
    CarefulProperties().decode(octets)


TOKEN: Final = Target(
    "token",
    open_token,
    (MessageRefused,),
    ("pipeline.crypto.jws", "pipeline.crypto.envelope", "pipeline.messages"),
    mutators.after_byte(mutators.octets),
    ("eyJ", ".", '"alg"', '"none"'),
)
PAYLOAD: Final = Target(
    "payload",
    open_payload,
    (MessageRefused,),
    ("pipeline.messages", "pipeline.crypto.envelope"),
    mutators.after_byte(mutators.json_value),
    ('"v"', '"id"', '"stage"', '"queue"', '"sent_at"', '"body"', "\\u0000", "1e999", "NaN"),
)
BODY: Final = Target(
    "body",
    take_body,
    (MessageRefused,),
    (
        "pipeline.messages",
        "pipeline.actors.signer.policy",
        "pipeline.actors.signer.decide",
        "pipeline.actors.web.deliver",
        "pipeline.actors.web.witness",
        "pipeline.signer.examine",
        "pipeline.approve.facts",
        "pipeline.approve.screen",
        "pipeline.approve.csr_view",
    ),
    mutators.after_byte(mutators.json_value),
    ('"submissions"', '"withdrawals"', '"outcomes"', '"issuers"', '"checkpoints"', '"certificate"'),
)
SPOOL: Final = Target(
    "spool",
    read_spooled,
    (SpoolDamaged,),
    ("pipeline.approve.spool",),
)
PROPERTIES: Final = Target(
    "properties",
    read_properties,
    (),
    ("pipeline.broker.properties",),
)
