"""Keys that are not certified: those on the block list, those of the CA, and those that came before."""

import uuid
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from sqlalchemy import select

from pipeline.crypto import csr as csrs
from pipeline.messages import Submission, SubmissionBatch
from pipeline.signer import blocked_keys
from pipeline.signer.tables import audit, submissions
from pipeline.signer.tables import blocked_keys as table
from tests import factories
from tests.flow.conftest import MakeWorld
from tests.flow.overtaken import overtake
from tests.flow.world import POLICY, SIGN, State, World

RULES = """
[profiles.server]
extended_key_usage = ["server_auth"]
[[rules]]
name = "reuse"
every_name = ["*.test"]
action = "sign"
key_reuse = {reuse}
[[rules]]
name = "rest"
action = "sign"
"""


def new_key() -> Any:
    return ec.generate_private_key(ec.SECP256R1())


def fingerprint(octets: bytes) -> str:
    return csrs.read(octets).key.fingerprint


def submit(world: World, octets: bytes, requester: str | None = "ci") -> Any:
    return world.signer_row(world.submit(csr=octets, requester=requester, run=True))


def block(world: World, *names: str, reason: str = "Its private key was published.") -> None:
    blocked_keys.block(world.signer_database, names, reason, "operator", world.time())


def test_a_key_on_the_block_list_is_refused_with_the_reason(world: World) -> None:
    octets = factories.csr(["DNS:a.test"], private_key=new_key())
    block(world, fingerprint(octets))
    found = submit(world, octets)
    assert found.state == State.REJECTED
    assert found.reason == (
        "The key is on the block list of this certificate authority: Its private key was published."
        " Make a new key, and a new CSR with it."
    )
    assert submit(world, factories.csr(["DNS:a.test"])).state == State.ISSUED


def test_an_rsa_key_is_refused_by_a_list_of_debian_weak_keys(world: World) -> None:
    """The name is computed by other programs, as openssl-vulnkey(1) says; the key is a sound one."""
    octets = factories.openssl_csr("rsa:2048", ("DNS:a.test",))
    printed = factories.openssl("req", "-noout", "-modulus", octets=octets)
    name = factories.openssl("sha1", "-r", octets=printed)[20:40].decode()
    block(world, name, reason="Debian weak key (CVE-2008-0166)")
    found = submit(world, octets)
    assert found.state == State.REJECTED
    assert "Debian weak key (CVE-2008-0166)." in found.reason


def test_a_key_that_is_blocked_while_its_request_waits_is_not_signed(world: World) -> None:
    octets = factories.csr(["DNS:a.example.com"], private_key=new_key())
    waiting = world.submit(csr=octets, run=True)
    assert world.signer_row(waiting).state == State.WAITING_FOR_APPROVAL
    block(world, fingerprint(octets))
    world.decide(waiting, "accept")
    found = world.signer_row(waiting)
    assert found.state == State.FAILED
    assert "block list" in found.reason


def test_a_blocked_key_harms_nobody_else_in_its_batch(world: World) -> None:
    bad = factories.csr(["DNS:bad.test"], private_key=new_key())
    ids = [world.submit("a.test"), world.submit(csr=bad), world.submit("b.test")]
    with world.signing_suspended():
        world.run()
    assert {world.signer_row(one).state for one in ids} == {State.WAITING_FOR_SIGNATURE}
    block(world, fingerprint(bad))
    world.wake(SIGN)
    world.run()
    states = [world.signer_row(one).state for one in ids]
    assert states == [State.ISSUED, State.FAILED, State.ISSUED]


def own_keys(world: World) -> list[Path]:
    keys = [
        "signer/ca/issuing.key",
        "setup/root.key",
        "setup/message-ca.key",
        "web/message.key",
        "signer/message.key",
        "approvers/approver/message.key",
    ]
    return [world.directory / key for key in keys]


def test_the_keys_of_the_ca_itself_are_refused(world: World) -> None:
    for path in own_keys(world):
        private_key = load_pem_private_key(path.read_bytes(), None)
        found = submit(world, factories.csr(["DNS:a.test"], private_key=private_key))
        assert (path.name, found.state) == (path.name, State.REJECTED)
        assert found.reason == blocked_keys.OWN_KEY


def test_every_change_of_the_block_list_is_audited(world: World) -> None:
    block(world, "0" * 64, "1" * 64)
    block(world, "0" * 64)
    blocked_keys.block(
        world.signer_database,
        [f"{number:064x}" for number in range(100, 1300)],
        "a list",
        "operator",
        world.time(),
    )
    blocked_keys.unblock(world.signer_database, ["0" * 64], "a mistake", "operator", world.time())
    events = "keys-blocked", "keys-unblocked"
    with world.signer_database.read() as connection:
        entries = connection.execute(
            select(audit.c.event, audit.c.details)
            .where(audit.c.event.in_(events))
            .order_by(audit.c.id)
        ).all()
        left = connection.scalar(select(table.c.name).where(table.c.name == "0" * 64))
    found = [(event, entry["count"]) for event, entry in entries if entry["operator"] != "signer"]
    assert found == [("keys-blocked", 2), ("keys-blocked", 1200), ("keys-unblocked", 1)]
    assert left is None


@pytest.mark.parametrize(
    ("reuse", "requesters", "let_through", "why"),
    [
        ('"refuse"', ["ci", "ci"], 1, "takes each key once"),
        ('"refuse"', ["ci", "deploy"], 1, "takes each key once"),
        ("3", ["ci", "deploy", None, "ci"], 3, "in use 3 times"),
        ('"same-requester"', ["ci", "ci", "ci", "deploy"], 3, "in use by another requester"),
        ('"same-requester"', ["ci", None], 1, "in use by another requester"),
        # Of the anonymous nobody can tell that they are the same.
        ('"same-requester"', [None, None], 1, "in use by another requester"),
        ('["same-requester", 2]', ["ci", "ci", "ci"], 2, "in use 2 times"),
        ('["same-requester", 2]', ["ci", "deploy"], 1, "in use by another requester"),
    ],
    ids=[
        "once",
        "once-by-others",
        "thrice",
        "same",
        "named-then-anonymous",
        "anonymous",
        "same-twice",
        "same-and-another",
    ],
)
def test_a_key_that_came_before_is_refused_as_the_rule_says(
    make_world: MakeWorld, reuse: str, requesters: list[str | None], let_through: int, why: str
) -> None:
    world = make_world(policy=RULES.format(reuse=reuse))
    octets = factories.csr(["DNS:a.test"], private_key=new_key())
    found = [submit(world, octets, requester) for requester in requesters]
    assert [one.state for one in found] == [State.ISSUED] * let_through + [State.REJECTED]
    assert why in found[-1].reason
    assert submit(world, factories.csr(["DNS:a.test"], private_key=new_key())).state == State.ISSUED


def test_only_what_is_under_way_or_issued_counts_and_under_whatever_rule(
    make_world: MakeWorld,
) -> None:
    world = make_world(
        policy=RULES.format(reuse='"refuse"').replace(
            'name = "rest"\naction = "sign"', 'name = "rest"\naction = "approve"'
        )
    )
    private_key = new_key()
    asked = factories.csr(["DNS:a.example.com"], private_key=private_key)
    rejected = world.submit(csr=asked, run=True)
    world.decide(rejected, "reject", reason="Not ours.")
    withdrawn = world.submit(csr=asked, run=True)
    world.withdraw(withdrawn)
    world.submit(csr=asked, run=True)  # it waits, and counts

    wanted = factories.csr(["DNS:a.test"], private_key=private_key)
    assert submit(world, wanted).state == State.REJECTED
    world.time.move(days=31)
    world.sweep()  # now it has expired
    assert submit(world, wanted).state == State.ISSUED
    assert submit(world, wanted).state == State.REJECTED


def batch(world: World, octets: bytes, count: int) -> SubmissionBatch:
    return SubmissionBatch(
        [
            Submission(
                id=str(uuid.uuid4()),
                csr=octets,
                profile="server",
                source="api",
                submitted_at=world.time(),
                requester="ci",
            )
            for _ in range(count)
        ]
    )


def arrive(world: World, octets: bytes, count: int) -> tuple[list[str], bytes]:
    made = batch(world, octets, count)
    world.web.send(POLICY, made)
    (message,) = world.waiting(POLICY)
    return [one.id for one in made.submissions], message


def test_within_a_batch_and_when_it_is_repeated_a_key_counts_once(make_world: MakeWorld) -> None:
    world = make_world(policy=RULES.format(reuse="2"))
    ids, message = arrive(world, factories.csr(["DNS:a.test"], private_key=new_key()), 4)
    for redelivered in (False, False, True):
        world.deliver(POLICY, message, redelivered=redelivered)
    found = [world.signer_row(one).state for one in ids]
    assert found == [State.ISSUED] * 2 + [State.REJECTED] * 2


@pytest.mark.parametrize("make_world", ["postgresql"], indirect=True)
def test_two_workers_cannot_both_let_the_last_one_through(make_world: MakeWorld) -> None:
    """One has counted and not committed; the other must wait until it sees what the first stored."""
    world = make_world(policy=RULES.format(reuse='"refuse"'))
    octets = factories.csr(["DNS:a.test"], private_key=new_key())
    (first,), one = arrive(world, octets, 1)
    (second,), other = arrive(world, octets, 1)
    overtake(
        world.signer_database,
        lambda: world.deliver(POLICY, one),
        lambda: world.deliver(POLICY, other),
    )
    assert world.signer_row(first).state == State.ISSUED
    assert world.signer_row(second).state == State.REJECTED


def test_every_submission_has_the_fingerprint_of_its_key_if_it_can_be_read(world: World) -> None:
    octets = factories.csr(["DNS:a.test"], private_key=new_key())
    good = submit(world, octets)
    _, message = arrive(world, b"no CSR", 1)
    world.deliver(POLICY, message)
    with world.signer_database.read() as connection:
        rows = connection.execute(select(submissions.c.request_id, submissions.c.key_fingerprint))
        found = {row.request_id: row.key_fingerprint for row in rows}
    assert found.pop(good.id) == fingerprint(octets)
    assert list(found.values()) == [None]
