"""The web host is lost: the attacker has its database, its message key and its broker account.

What comes out is only what a rule signs because of names, or because it trusts the web side; what
waits for an approver is not changed unseen; all that was tried stands in the signer's audit table.
"""

from itertools import product
from typing import Any

import msgspec
import pytest
from cryptography import x509
from sqlalchemy import select, update

from pipeline.approve import waiting
from pipeline.messages import MAX_ITEMS, OutcomeBatch, Submission, WakeUp
from pipeline.signer import tables as signer_tables
from pipeline.stages import DECIDE, DELIVER, SIGN
from pipeline.states import State
from pipeline.web import tables as web_tables
from tests import factories
from tests.attacks.ground import new_id
from tests.flow.conftest import MakeWorld
from tests.flow.intruder import (
    Intruder,
    audited,
    certificate_key,
    csr_key,
    issued_names,
    read_decision,
)
from tests.flow.world import World

RULES = """
[[rules]]
name = "the build system signs for its own zone"
profiles = ["server"]
every_name = ["*.build.example.com"]
requesters = ["ci"]
action = "sign"
trust_web = true

[[rules]]
name = "wide certificates need two approvers"
any_name = ["*.wide.example.com"]
action = "approve"
quorum = 2
"""


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world(rules=RULES)


@pytest.fixture
def intruder(world: World) -> Intruder:
    return Intruder(world)


def test_only_a_csr_itself_is_taken_and_no_text_that_holds_one(
    world: World, intruder: Intruder
) -> None:
    octets = factories.csr(["DNS:host.test"])
    text = factories.openssl("req", "-inform", "DER", octets=octets)
    said = [intruder.submission(csr=csr) for csr in (octets, text, b"0 " + text)]
    intruder.say(*said)
    assert [intruder.state(one) for one in said] == ["issued", "rejected", "rejected"]


def test_whoever_it_is_said_to_come_from_only_names_and_trusted_rules_are_signed(
    world: World, intruder: Intruder
) -> None:
    hosts = (
        ("host.test",),
        ("host.build.example.com",),
        ("www.example.com",),
        ("host.test", "www.example.com"),
        ("host.build.example.com", "www.example.com"),
        ("host.wide.example.com",),
        ("host.invalid",),
        ("build.example.com",),
        ("host.build.example.com.attacker.example",),
    )
    requesters = (None, "ci", "CI", "ci ", "approver", "signer", "*", "\u0441i")
    sources = ("api", "web", "signer", "acme")
    said = [
        intruder.submission(*names, requester=requester, source=source, profile=profile)
        for names, requester, source, profile in product(
            hosts, requesters, sources, ("server", "client", "root")
        )
    ]
    for start in range(0, len(said), MAX_ITEMS):
        intruder.say(*said[start : start + MAX_ITEMS])

    signed = [one for one in said if intruder.state(one) == "issued"]
    assert issued_names(world) == sorted(
        [("host.test",)] * (len(requesters) * len(sources) * 2)  # profiles server and client
        + [("host.build.example.com",)] * len(sources)  # ci, and the profile of the rule
    )
    assert {one.requester for one in signed if b"build" in one.csr} == {"ci"}
    assert {intruder.state(one) for one in said} == {"issued", "rejected", "waiting_for_approval"}
    for one in said:  # and none without its trace
        (first, *_) = audited(world, one.id)
        assert first[1]["by"] == "policy"
        row = waiting.get(world.signer_database, one.id)
        assert row is not None
        assert (row.requester, row.source) == (one.requester, one.source)


def test_what_waits_is_not_changed_and_each_attempt_is_audited(
    world: World, intruder: Intruder
) -> None:
    request = world.submit("www.example.com", requester="shop", run=True)
    before, seen = world.snapshot(), waiting.get(world.signer_database, request)
    assert seen is not None
    genuine = Submission(request, seen.csr, "server", "api", world.time(), "shop", known_revision=1)
    attempts: list[dict[str, Any]] = [
        {"csr": factories.csr(names=["DNS:attacker.example"])},
        {"csr": factories.csr(names=["DNS:www.example.com"], key_kind="ec:P-384")},
        {"profile": "client"},
        {"requester": "ci"},
        {"requester": None},
    ]
    for changes in attempts:
        intruder.say(msgspec.structs.replace(genuine, **changes))

    assert world.snapshot() == before
    assert waiting.get(world.signer_database, request) == seen
    refused = [event for event, _ in audited(world, request) if event.startswith("second")]
    assert len(refused) == len(attempts)
    world.decide(request, "accept")
    assert issued_names(world) == [("www.example.com",)]
    assert certificate_key(world, request) == csr_key(seen.csr)


def test_an_approval_is_for_one_request_and_what_it_was_then(
    world: World, intruder: Intruder
) -> None:
    """The same CSR under other ids, with other profiles, after the approval."""
    first = intruder.submission("www.example.com")
    intruder.say(first)
    approval = world.decision(first.id, "accept")
    others = [
        msgspec.structs.replace(first, id=new_id(), profile=profile)
        for profile in ("server", "client")
    ]
    intruder.say(*others)
    world.deliver(DECIDE, approval)
    world.run()
    intruder.say(msgspec.structs.replace(first, profile="client", known_revision=3), *others)

    for _ in range(3):  # and what the approver said, again and again
        world.deliver(DECIDE, approval)
        world.sweep()
    assert intruder.state(first) == "issued"
    assert {intruder.state(one) for one in others} == {"waiting_for_approval"}
    assert len(issued_names(world)) == 1
    with world.signer_database.read() as connection:
        octets = connection.scalars(select(signer_tables.certificates.c.certificate)).one()
    usage = x509.load_der_x509_certificate(octets).extensions.get_extension_for_class(
        x509.ExtendedKeyUsage
    )
    assert list(usage.value) == [x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]


def test_what_was_rejected_stays_so_and_under_another_id_waits_again(
    world: World, intruder: Intruder
) -> None:
    first = intruder.submission("www.example.com")
    intruder.say(first)
    world.decide(first.id, "reject", reason="Not ours.")

    again = msgspec.structs.replace(first, id=new_id())
    intruder.say(msgspec.structs.replace(first, known_revision=2), again)

    assert intruder.state(first) == "rejected"
    assert intruder.state(again) == "waiting_for_approval"
    assert issued_names(world) == []


def test_a_withdrawal_of_another_s_request_ends_it_and_is_audited(
    world: World, intruder: Intruder
) -> None:
    """It denies, and gives nothing: the approver's decision comes too late."""
    request = world.submit("www.example.com", requester="shop", run=True)
    accepted = world.decision(request, "accept")

    intruder.say(withdrawals=[request])
    world.deliver(DECIDE, accepted)
    world.run()

    assert intruder.state(request) == "withdrawn"
    assert issued_names(world) == []
    assert ("waiting_for_approval", "withdrawn") in [
        (details.get("from"), details.get("to")) for _, details in audited(world, request)
    ]


def test_what_two_must_approve_is_not_issued_for_one_and_a_web_host(
    world: World, intruder: Intruder
) -> None:
    """The web host and one approver's key together."""
    wanted = intruder.submission("host.wide.example.com")
    intruder.say(wanted)
    world.decide(wanted.id, "accept", "approver")
    for who in (Intruder(world, "approvers/approver"), intruder):
        for number in range(3):
            made = read_decision(world.decision(wanted.id, "accept", "approver"))
            again = msgspec.structs.replace(made, reason=f"number {number}")
            world.deliver(DECIDE, who.sealed(DECIDE, again))
            world.run()

    assert intruder.state(wanted) == "waiting_for_approval"
    assert issued_names(world) == []
    world.decide(wanted.id, "accept", "approver-2")
    assert intruder.state(wanted) == "issued"


def test_the_web_side_cannot_speak_as_anybody_else(world: World, intruder: Intruder) -> None:
    request = world.submit("www.example.com", run=True)
    before = world.snapshot()
    decision = read_decision(world.decision(request, "accept"))
    for stage, body in ((DECIDE, decision), (SIGN, WakeUp()), (DELIVER, OutcomeBatch())):
        assert not world.deliver(stage, intruder.sealed(stage, body))

    assert world.snapshot() == before
    assert [reason for _, reason, _ in world.exchange.dead_letters] == ["sender-not-admitted"] * 3


def test_what_the_web_s_own_database_says_changes_nothing_at_the_signer(world: World) -> None:
    """States, reasons and CSRs rewritten in the web database, also those of requests under way."""
    request = world.submit("www.example.com", requester="shop", run=True)
    seen = waiting.get(world.signer_database, request)
    with world.web_database.write() as connection:
        rows, sent = web_tables.requests, web_tables.submissions
        csr = factories.csr(names=["DNS:attacker.test"])
        connection.execute(update(sent).values(csr=csr))
        connection.execute(
            update(rows).values(state=State.SUBMITTED, requester="ci", next_attempt_at=world.time())
        )
    world.sweep()

    assert waiting.get(world.signer_database, request) == seen
    assert issued_names(world) == []
    assert "second-submission-refused" in [event for event, _ in audited(world, request)]
