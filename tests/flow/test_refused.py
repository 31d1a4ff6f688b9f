"""What must have no effect: forged outcomes, wrong digests, messages of strangers."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from pipeline.approve import waiting
from pipeline.broker.refusals import QUIET_TIME
from pipeline.crypto import der, identity, jws
from pipeline.crypto.envelope import Envelope
from pipeline.messages import Decision, Outcome, OutcomeBatch
from pipeline.signer import tables as signer_tables
from pipeline.stages import DECIDE, DELIVER, POLICY
from pipeline.states import State
from pipeline.web import tables as web_tables
from tests import factories
from tests.flow.world import World


def outcome(world: World, request: str, **changes: Any) -> Outcome:
    """Return what a signer that was taken over might say of a request."""
    fields: dict[str, Any] = {
        "id": request,
        "revision": 7,
        "state": State.REJECTED,
        "changed_at": world.time(),
    }
    return Outcome(**fields | changes)


UNUSED = "01890000-0000-7000-8000-000000000002"
"""An id of a message that nobody sent."""


def sealed_by(world: World, approver: str, message_id: str, decision: Decision) -> bytes:
    """Seal a decision with an approver's key, as whoever has it can."""
    folder = world.directory / "approvers" / approver
    me = identity.load(folder / "message.pem", folder / "message.key")
    return Envelope(me, None, world.time).seal(message_id, DECIDE, decision)


def jws_payload(token: bytes) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(jws.parse(token).payload)
    return found


def audit_events(database: Any, table: Any) -> list[tuple[str, Any]]:
    with database.read() as connection:
        found = connection.execute(select(table.c.event, table.c.details).order_by(table.c.id))
        return [(row.event, row.details) for row in found]


def test_a_certificate_for_the_same_key_in_other_octets_is_delivered(world: World) -> None:
    pem = factories.openssl_key("ec:P-256")
    compressed = factories.openssl("ec", "-conv_form", "compressed", octets=pem)
    asked = ("req", "-new", "-key", "/dev/stdin", "-subj", "/", "-outform", "DER")
    names = ("-addext", "subjectAltName=DNS:compressed.test")
    csr = factories.openssl(*asked, *names, octets=compressed)
    request_id = world.submit(csr=csr, run=True)
    assert world.states(request_id) == ("issued", "issued")
    assert der.certificate_spki(world.certificate(request_id)) != der.request_spki(csr)


def test_a_certificate_for_another_key_is_refused_and_the_rest_of_its_batch_delivered(
    world: World,
) -> None:
    issued = world.submit("issued.test", run=True)
    victim = world.submit("victim.example.com", run=True)
    other = world.submit("other.example.com", run=True)
    (notice,) = world.signer.issuers.notices()
    stolen = factories.csr(names=["DNS:x.test"], key_kind="ec:P-384")
    thief = world.submit(csr=stolen, run=True)
    batch = OutcomeBatch(
        outcomes=[
            outcome(
                world,
                victim,
                state=State.ISSUED,
                certificate=world.certificate(thief),
                issuer=notice.fingerprint,
            ),
            outcome(world, other, reason="Not ours."),
        ],
        issuers=[notice],
    )

    world.signer.send(DELIVER, batch)
    world.run()

    assert world.states(issued)[0] == "issued"
    assert world.states(victim)[0] == "waiting_for_approval"
    assert world.states(other)[0] == "rejected"
    events = audit_events(world.web_database, web_tables.audit)
    assert ("outcome-refused", "the certificate is for another key than the request's") in [
        (event, details.get("why")) for event, details in events
    ]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"state": State.SUBMITTED}, "no state of the signer"),
        ({"state": State.ISSUED}, "a certificate comes with ISSUED"),
        ({"certificate": b"x", "issuer": "0" * 64}, "a certificate comes with ISSUED"),
        ({"state": State.ISSUED, "certificate": b"x"}, "issuer is not named"),
        ({"state": State.ISSUED, "certificate": b"x", "issuer": "0" * 64}, "ValueError"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_an_outcome_that_does_not_fit_its_request_is_refused(
    changes: dict[str, Any], why: str, world: World
) -> None:
    request = world.submit("host.example.com", run=True)

    world.signer.send(DELIVER, OutcomeBatch(outcomes=[outcome(world, request, **changes)]))
    world.run()

    assert world.states(request)[0] == "waiting_for_approval"
    (details,) = (
        details
        for event, details in audit_events(world.web_database, web_tables.audit)
        if event == "outcome-refused"
    )
    assert why in details["why"]


def test_what_has_ended_stays_as_it_ended_whatever_revision_comes(world: World) -> None:
    request = world.submit("host.test", run=True)
    certificate = world.certificate(request)

    world.signer.send(DELIVER, OutcomeBatch(outcomes=[outcome(world, request, revision=99)]))
    world.run()

    assert world.states(request) == ("issued", "issued")
    assert world.certificate(request) == certificate


def test_an_outcome_for_a_request_that_nobody_made_changes_nothing(world: World) -> None:
    unknown = "01890000-0000-7000-8000-000000000001"

    world.signer.send(DELIVER, OutcomeBatch(outcomes=[outcome(world, unknown)]))
    world.run()

    assert world.web_row(unknown) is None


def test_a_decision_over_another_digest_is_kept_and_does_not_count(world: World) -> None:
    request = world.submit("host.example.com", run=True)
    wrong = Decision(request, "accept", "0" * 64, world.time())
    token = sealed_by(world, "approver", UNUSED, wrong)

    assert world.deliver(DECIDE, token)

    assert world.states(request) == ("waiting_for_approval", "waiting_for_approval")
    (kept,) = world.snapshot()["decisions"]
    assert "wrong-digest" in kept
    assert token in kept


def test_an_approver_cannot_take_the_id_of_a_colleague_s_decision(world: World) -> None:
    """Who saw a rejection on its way could have it taken for one that had come already."""
    request = world.submit("host.example.com", run=True)
    rejection = world.decision(request, "reject", "approver-2", "No.")
    taken = jws_payload(rejection)["id"]
    other = Decision(request, "accept", "0" * 64, world.time())
    assert world.deliver(DECIDE, sealed_by(world, "approver", taken, other))
    assert waiting.recorded(world.signer_database, "approver-2", [taken]) == {}

    assert world.deliver(DECIDE, rejection)

    assert world.states(request)[1] == "rejected"
    shown = waiting.recorded(world.signer_database, "approver-2", [taken])
    assert shown[taken].verdict == "reject"


def test_a_rejection_whose_reason_nobody_can_see_does_not_count(world: World) -> None:
    request = world.submit("host.example.com", run=True)
    row = waiting.get(world.signer_database, request)
    assert row is not None
    unseen = Decision(request, "reject", row.approvable().digest(), world.time(), "\u200b\u00ad")

    assert world.deliver(DECIDE, sealed_by(world, "approver", UNUSED, unseen))

    assert world.states(request)[1] == "waiting_for_approval"
    (kept,) = world.snapshot()["decisions"]
    assert "without-reason" in kept


def test_an_issuer_under_another_fingerprint_is_not_learnt(world: World) -> None:
    (notice,) = world.signer.issuers.notices()
    forged = msgspec.structs.replace(notice, fingerprint="0" * 64)

    world.signer.send(DELIVER, OutcomeBatch(issuers=[forged]))
    world.run()

    assert issuers_known(world) == []
    world.signer.send(DELIVER, OutcomeBatch(issuers=[notice]))
    world.run()
    assert issuers_known(world) == [notice.fingerprint]


def issuers_known(world: World) -> list[str]:
    with world.web_database.read() as connection:
        return list(connection.scalars(select(web_tables.issuers.c.fingerprint)))


def test_a_decision_by_a_side_is_dead_lettered(world: World) -> None:
    request = world.submit("host.example.com", run=True)
    decision = Decision(request, "accept", "0" * 64, world.time())

    world.web.send(DECIDE, decision)
    world.signer.send(DECIDE, decision)
    world.run()

    assert [reason for _, reason, _ in world.exchange.dead_letters] == ["sender-not-admitted"] * 2
    assert world.states(request) == ("waiting_for_approval", "waiting_for_approval")


def test_a_flood_of_bad_messages_fills_neither_the_audit_nor_the_dead_letters(
    world: World,
) -> None:
    for _ in range(3000):
        world.exchange.publish(POLICY.queue, b"rubbish")
    world.run()

    refused = [
        details
        for event, details in audit_events(world.signer_database, signer_tables.audit)
        if event == "message-refused"
    ]
    assert len(refused) <= 1 + 60 / QUIET_TIME
    assert len(world.exchange.dead_letters) == world.exchange.dead_letters.maxlen
    request = world.submit("host.test", run=True)
    assert world.states(request) == ("issued", "issued")


def test_times_of_messages_do_not_matter_but_for_the_future(world: World) -> None:
    request = world.submit("host.test")
    held: list[bytes] = []

    def hold(name: str, octets: bytes) -> list[bytes]:
        if name != POLICY.queue:
            return [octets]
        held.append(octets)
        return []

    world.run(hold)
    world.time.moment -= timedelta(minutes=11)
    assert not world.deliver(POLICY, held[0])
    world.time.moment += timedelta(hours=11)
    assert world.deliver(POLICY, held[0])
    world.sweep()

    assert world.states(request) == ("issued", "issued")
