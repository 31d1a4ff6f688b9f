"""Attackers in other places: the broker, an approver's workstation, the signer's database, the
message CA's key."""

import base64
import random
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from sqlalchemy import inspect

from pipeline.crypto.envelope import Envelope
from pipeline.crypto.identity import Sender
from pipeline.messages import CARRIES, Body, Decision, OutcomeBatch, SubmissionBatch, WakeUp
from pipeline.setup import message_ca
from pipeline.stages import DECIDE, STAGES, Role
from tests.attacks.forge import identity as identity_of
from tests.attacks.ground import new_id
from tests.flow.conftest import MakeWorld
from tests.flow.intruder import Intruder, issued_names, read_decision
from tests.flow.world import APPROVERS, World

TWO = """
[[rules]]
name = "wide certificates need two approvers"
any_name = ["*.wide.example.com"]
action = "approve"
quorum = 2
"""


# --- the broker's owner ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_who_owns_the_broker_gets_nothing_by_dropping_repeating_reordering_and_injecting(
    seed: int, world: World
) -> None:
    """Everything that was ever sent is known to them, and they put it where they like."""
    chance = random.Random(seed)
    requests = {
        kind: world.submit(f"{kind}.example.com") for kind in ("accept", "reject", "nobody")
    }
    signed = world.submit("host.test")

    def meddle(name: str, octets: bytes) -> Iterable[bytes]:
        seen = [one for _, one in world.exchange.published]
        found = [octets] * chance.choice((0, 1, 1, 2))
        found += [*chance.sample(seen, min(len(seen), 3)), chance.randbytes(40)]
        chance.shuffle(found)
        return found

    def calm(rounds: int) -> None:
        for _ in range(rounds):  # they cannot meddle for ever, or nothing would ever be told
            world.time.move(minutes=10)
            world.web_clock.sweep()
            world.signer_clock.sweep()
            world.run(meddle)

    calm(2)
    world.sweep()
    decisions = {
        kind: world.decision(requests[kind], kind, reason="No.") for kind in ("accept", "reject")
    }
    for octets in decisions.values():
        world.exchange.publish(DECIDE.queue, octets)
    calm(3)
    for octets in decisions.values():  # `httpca approve` repeats what the database does not show
        world.deliver(DECIDE, octets)
    for _ in range(4):
        world.time.move(hours=1)
        world.sweep()

    assert issued_names(world) == [("accept.example.com",), ("host.test",)]
    assert world.states(requests["accept"]) == ("issued", "issued")
    assert world.states(requests["reject"]) == ("rejected", "rejected")
    assert world.states(requests["nobody"]) == ("waiting_for_approval", "waiting_for_approval")
    assert world.states(signed) == ("issued", "issued")


def test_every_message_that_was_ever_sent_is_refused_on_every_other_queue(world: World) -> None:
    request = world.submit("www.example.com", run=True)
    world.exchange.publish(DECIDE.queue, world.decision(request, "accept"))
    world.run()
    world.sweep()
    before, sent = world.snapshot(), list(world.exchange.published)
    assert {name for name, _ in sent} == set(STAGES)

    tried = 0
    for name, octets in sent:
        for stage in STAGES.values():
            if stage.queue != name:
                assert not world.deliver(stage, octets)
                tried += 1

    assert tried == len(sent) * (len(STAGES) - 1)
    # An approver is a stranger to the web side, and everybody else is known here.
    reasons = {reason for _, reason, _ in world.exchange.dead_letters}
    assert reasons == {"wrong-queue", "unknown-certificate"}
    assert world.snapshot() == before


# --- an approver's workstation --------------------------------------------------------------------


def test_who_has_an_approver_s_key_decides_in_that_name_and_does_nothing_else(
    make_world: MakeWorld,
) -> None:
    world = make_world(rules=TWO)
    thief = Intruder(world, "approvers/approver")
    one = world.submit("www.example.com", run=True)
    two = world.submit("host.wide.example.com", run=True)
    for request in (one, two):
        for _ in range(3):
            made = read_decision(world.decision(request, "accept"))
            assert world.deliver(DECIDE, thief.sealed(DECIDE, made))
            world.run()
    for stage, body in everything(world, two):
        if stage is not DECIDE:
            assert not world.deliver(stage, thief.sealed(stage, body))

    assert world.states(one)[1] == "issued"
    assert world.states(two)[1] == "waiting_for_approval"
    assert {row[2] for row in world.snapshot()["decisions"]} == {"approver"}


def test_a_decision_held_back_until_its_approver_is_revoked_comes_to_nothing(world: World) -> None:
    request = world.submit("www.example.com", run=True)
    held = world.decision(request, "accept")
    file = world.directory / "signer" / "trusted" / "approver-approver.pem"
    file.rename(file.with_suffix(".revoked"))
    world.brokers[DECIDE.queue].gate.envelope.trust.refresh()  # type: ignore[union-attr]

    assert not world.deliver(DECIDE, held)

    assert [reason for _, reason, _ in world.exchange.dead_letters] == ["unknown-certificate"]
    assert world.states(request)[1] == "waiting_for_approval"
    world.decide(request, "accept", "approver-2")
    assert world.states(request)[1] == "issued"


# --- a reader of the signer's database ------------------------------------------------------------


def test_no_private_key_and_no_passphrase_is_in_either_database(world: World) -> None:
    world.submit("host.test", run=True)
    request = world.submit("www.example.com", run=True)
    world.decide(request, "accept")
    world.sweep()
    dump = everything_in(world)
    certificate = (world.directory / "signer" / "ca" / "issuing.pem").read_bytes()
    public = x509.load_pem_x509_certificate(certificate).public_bytes(Encoding.DER)
    assert public in dump  # so what is sought below would be found

    keys = sorted(world.directory.rglob("*.key"))
    assert len(keys) >= 5 + len(APPROVERS) - 1
    for file in keys:
        for form in forms_of(file.read_bytes()):
            assert form not in dump, file
    assert b"PRIVATE KEY" not in dump


def forms_of(pem: bytes) -> list[bytes]:
    """Return the forms that a private key could be stored in."""
    key: Any = load_pem_private_key(pem, None)
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    if isinstance(key, ed25519.Ed25519PrivateKey):
        raw = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    else:
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        raw = key.private_numbers().private_value.to_bytes(32, "big")
    return [
        form
        for octets in (der, raw)
        for form in (octets, octets.hex().encode(), base64.b64encode(octets).rstrip(b"="))
    ]


def everything_in(world: World) -> bytes:
    """Return every value of every table of both databases, one behind the other."""
    found = []
    for database in (world.web_database, world.signer_database):
        with database.read() as connection:
            inspected = inspect(connection)
            for table in inspected.get_table_names():
                for row in connection.exec_driver_sql(f"SELECT * FROM {table}"):
                    found += [
                        bytes(value)
                        if isinstance(value, bytes | memoryview)
                        else str(value).encode()
                        for value in row
                    ]
    return b"\n".join(found)


# --- the message CA's key -------------------------------------------------------------------------


def test_who_has_the_message_ca_s_key_makes_anybody_and_is_believed_by_nobody(
    world: World,
) -> None:
    setup = world.directory / "setup"
    key = load_pem_private_key((setup / "message-ca.key").read_bytes(), None)
    assert isinstance(key, ed25519.Ed25519PrivateKey)
    certificate = x509.load_pem_x509_certificate((setup / "message-ca.pem").read_bytes())
    ca = message_ca.MessageCa(certificate, key)
    request = world.submit("www.example.com", run=True)
    before = world.snapshot()

    names = ("approver", "approver-2", "new", "web", "signer")
    senders = [Sender(Role.APPROVER, name) for name in names]
    senders += [Sender(Role.WEB, "web"), Sender(Role.SIGNER, "signer")]
    for sender in senders:
        me = identity_of(message_ca.issue(ca, sender, world.time(), timedelta(days=365)))
        for stage, body in everything(world, request):
            octets = Envelope(me, None, world.time).seal(new_id(), stage, body)
            assert not world.deliver(stage, octets)

    assert world.snapshot() == before
    reasons = [reason for _, reason, _ in world.exchange.dead_letters]
    assert reasons == ["unknown-certificate"] * len(senders) * len(STAGES)


def everything(world: World, request: str) -> list[tuple[Any, Body]]:
    """Return something to say to each stage, that would take effect if it were believed."""
    decision = read_decision(world.decision(request, "accept"))
    assert isinstance(decision, Decision)
    bodies: dict[type[Body], Body] = {
        WakeUp: WakeUp(),
        SubmissionBatch: SubmissionBatch(withdrawals=[request]),
        OutcomeBatch: OutcomeBatch(),
        Decision: decision,
    }
    return [(stage, bodies[CARRIES[stage.queue]]) for stage in STAGES.values()]
