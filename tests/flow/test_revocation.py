"""Of a revoked approver's decisions those on requests that still wait stop counting."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from pipeline.crypto import identity
from pipeline.crypto.identity import Sender
from pipeline.setup import files, message_ca
from pipeline.signer.tables import audit, decisions
from pipeline.stages import DECIDE, Role
from tests.flow.conftest import MakeWorld
from tests.flow.world import World

POLICY = """
default = "approve"

[profiles.server]
validity = "90d"
keys = ["ec:P-256"]
names = ["dns"]

[[rules]]
name = "two"
action = "approve"
quorum = 2
"""


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """A world in which two of three approvers have to accept."""
    world = make_world()
    file = world.directory / "signer" / "policy.toml"
    file.write_text(POLICY)
    object.__setattr__(world.signer, "policy", _policy(file))
    return world


def _policy(file: Path) -> Any:
    from pipeline.signer.policy_file import load

    policy = load(file)
    return lambda: policy


def trusted(world: World, name: str = "approver") -> Path:
    return world.directory / "signer" / "trusted" / f"approver-{name}.pem"


def revoke(world: World, name: str = "approver") -> None:
    folder = world.directory / "signer" / "revoked"
    folder.mkdir(exist_ok=True)
    file = trusted(world, name)
    file.rename(folder / file.name)
    world.signer.trust.refresh()


def renew(world: World, name: str = "approver") -> None:
    """Give an approver another certificate, trusted beside what there is."""
    offline = world.directory / "setup"
    authority = message_ca.load(offline / "message-ca.pem", offline / "message-ca.key", None)
    issued = message_ca.issue(authority, Sender(Role.APPROVER, name), world.time())
    folder = world.directory / "approvers" / name
    (folder / "message.key").unlink()
    (folder / "message.pem").unlink()
    files.write_key(folder / "message.key", issued.key)
    files.write_certificate(folder / "message.pem", issued.certificate)
    new = trusted(world, name).with_name(f"approver-{name}.renewed.pem")
    files.write_certificate(new, issued.certificate)
    world.signer.trust.refresh()


def effects(world: World, request: str) -> list[tuple[str, str]]:
    statement = (
        select(decisions.c.approver, decisions.c.effect)
        .where(decisions.c.request_id == request)
        .order_by(decisions.c.received_at)
    )
    with world.signer_database.read() as connection:
        return [(row.approver, row.effect) for row in connection.execute(statement)]


def left_out(world: World, request: str) -> list[tuple[str, str]]:
    statement = (
        select(audit.c.details)
        .where(audit.c.event == "decision-left-out", audit.c.request_id == request)
        .order_by(audit.c.id)
    )
    with world.signer_database.read() as connection:
        return [(row["approver"], row["why"]) for row in connection.scalars(statement)]


def test_what_a_revoked_approver_accepted_counts_no_more(world: World) -> None:
    request = world.submit("host.example.com", run=True)
    world.decide(request, "accept")

    revoke(world)
    world.decide(request, "accept", "approver-2")

    assert world.states(request)[1] == "waiting_for_approval"
    assert effects(world, request) == [("approver", "revoked"), ("approver-2", "counted")]
    assert left_out(world, request) == [("approver", "certificate-revoked")]


def test_what_is_decided_already_stays_decided(world: World) -> None:
    request = world.submit("host.example.com", run=True)
    world.decide(request, "accept")
    world.decide(request, "accept", "approver-2")

    revoke(world)
    world.signer_clock.recount()
    world.run()

    assert world.states(request) == ("issued", "issued")
    assert effects(world, request) == [("approver", "counted"), ("approver-2", "counted")]


def test_whose_certificate_is_only_moved_away_counts_no_more_either(world: World) -> None:
    request = world.submit("host.example.com", run=True)
    world.decide(request, "accept")

    trusted(world).unlink()
    world.signer.trust.refresh()
    world.decide(request, "accept", "approver-2")

    assert world.states(request)[1] == "waiting_for_approval"
    assert left_out(world, request) == [("approver", "approver-not-trusted")]


def test_a_renewed_approver_s_earlier_decision_goes_on_counting(world: World) -> None:
    request = world.submit("host.example.com", run=True)
    world.decide(request, "accept")

    renew(world)
    trusted(world).unlink()  # the old one, put away when the new one was in place
    world.signer.trust.refresh()
    world.signer_clock.recount()
    world.decide(request, "accept", "approver-2")

    assert world.states(request) == ("issued", "issued")
    assert left_out(world, request) == []


def test_a_certificate_that_ran_out_leaves_its_decisions_as_they_are(world: World) -> None:
    request = world.submit("host.example.com", run=True)
    world.decide(request, "accept")
    folder = world.directory / "approvers" / "approver"
    me = identity.load(folder / "message.pem", folder / "message.key")

    world.time.moment = me.certificate.certificate.not_valid_after_utc
    world.signer_clock.recount()

    assert effects(world, request) == [("approver", "counted")]


def test_the_clock_takes_revoked_decisions_out_and_a_new_certificate_decides_again(
    world: World,
) -> None:
    request = world.submit("host.example.com", run=True)
    world.decide(request, "accept")
    stolen = world.decision(request, "accept")

    revoke(world)
    renew(world)
    world.signer_clock.recount()
    assert effects(world, request) == [("approver", "revoked")]
    assert left_out(world, request) == [("approver", "certificate-revoked")]

    world.decide(request, "accept")
    assert not world.deliver(DECIDE, stolen)
    assert world.exchange.dead_letters[-1][1] == "certificate-revoked"
    assert world.states(request)[1] == "waiting_for_approval"
    world.decide(request, "accept", "approver-2")

    assert world.states(request) == ("issued", "issued")
    assert len(left_out(world, request)) == 1


def test_a_trust_folder_that_is_broken_takes_no_decision_out(world: World) -> None:
    request = world.submit("host.example.com", run=True)
    world.decide(request, "accept")

    folder = world.directory / "signer" / "trusted"
    folder.rename(folder.with_name("being-copied"))
    world.signer_clock.recount()

    assert effects(world, request) == [("approver", "counted")]


def test_a_decision_that_passed_the_gate_before_the_revocation_does_not_count(
    world: World,
) -> None:
    request = world.submit("host.example.com", run=True)
    octets = world.decision(request, "reject", reason="Not ours.")
    broker = world.brokers[DECIDE.queue]
    message = broker.gate.admit(octets, DECIDE.queue, redelivered=False)

    revoke(world)  # while the worker waits for its database
    broker.actors[message.actor_name].fn(*message.args)

    assert world.states(request)[1] == "waiting_for_approval"
    assert effects(world, request) == [("approver", "revoked")]
