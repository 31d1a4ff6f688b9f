"""The ways of a request through all stages."""

import pytest
from cryptography import x509

from pipeline.messages import Body
from pipeline.signer import authority, operate
from pipeline.stages import DECIDE, POLICY, Stage
from pipeline.states import State
from pipeline.web import tables as web_tables
from pipeline.web.withdraw import withdraw
from tests.flow.world import World


def test_a_name_that_the_rules_sign_is_issued_at_once(world: World) -> None:
    request = world.submit("host.test", run=True)

    assert world.states(request) == ("issued", "issued")
    certificate = x509.load_der_x509_certificate(world.certificate(request))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["host.test"]


def test_a_name_that_the_rules_reject_is_rejected_with_the_rule_s_sentence(world: World) -> None:
    request = world.submit("host.invalid", run=True)

    assert world.states(request) == ("rejected", "rejected")
    assert ".invalid" in world.web_row(request).reason


def test_everything_else_waits_and_is_issued_when_an_approver_accepts(world: World) -> None:
    request = world.submit("host.example.com", run=True)
    assert world.states(request) == ("waiting_for_approval", "waiting_for_approval")

    world.decide(request, "accept")

    assert world.states(request) == ("issued", "issued")
    world.certificate(request)


def test_a_rejection_reaches_the_requester_with_its_reason(world: World) -> None:
    request = world.submit("host.example.com", run=True)

    world.decide(request, "reject", reason="This host is not ours.")

    assert world.states(request) == ("rejected", "rejected")
    assert world.web_row(request).reason == "This host is not ours."


def test_of_two_approvers_who_differ_the_first_stands(world: World) -> None:
    request = world.submit("host.example.com", run=True)
    accept = world.decision(request, "accept", "approver")
    reject = world.decision(request, "reject", "approver-2", "This host is not ours.")
    world.deliver(DECIDE, reject)
    world.deliver(DECIDE, accept)
    world.run()

    assert world.states(request) == ("rejected", "rejected")
    effects = {row[2]: row[5] for row in world.snapshot()["decisions"]}
    assert effects == {"approver-2": "counted", "approver": "late"}


def test_a_requester_can_withdraw_what_waits_for_approval(world: World) -> None:
    request = world.submit("host.example.com", run=True)

    world.withdraw(request)

    assert world.states(request) == ("withdrawn", "withdrawn")


def test_a_wish_to_withdraw_comes_too_late_for_what_is_issued(world: World) -> None:
    request = world.submit("host.test")
    withdraw(world.web_database, request, None, world.time())

    world.run()

    assert world.states(request) == ("issued", "issued")


def test_what_nobody_decides_on_expires(world: World) -> None:
    request = world.submit("host.example.com", run=True)

    world.time.move(days=world.signer.settings.waiting_days, minutes=1)
    world.sweep()

    assert world.states(request) == ("expired", "expired")


def test_a_decision_after_its_time_does_not_count(world: World) -> None:
    """Although `signer-clock` did not let the request expire yet: it may stand still for long."""
    request = world.submit("host.example.com", run=True)

    world.time.move(days=world.signer.settings.waiting_days)
    world.decide(request, "accept")

    assert [row[5] for row in world.snapshot()["decisions"]] == ["overdue"]
    assert world.states(request) == ("waiting_for_approval", "waiting_for_approval")
    world.sweep()
    assert world.states(request) == ("expired", "expired")


def test_an_unknown_profile_is_rejected_by_the_signer_too(world: World) -> None:
    request = world.submit("host.test")
    with world.web_database.write() as connection:  # as a web side that was taken over would
        connection.execute(web_tables.submissions.update().values(profile="no-such-profile"))
    world.run()

    assert world.states(request) == ("rejected", "rejected")
    assert "no-such-profile" in world.web_row(request).reason


def test_every_state_change_has_its_audit_entry_on_both_sides(world: World) -> None:
    from pipeline.signer import tables as signer_tables

    request = world.submit("host.example.com", run=True)
    world.decide(request, "accept")

    assert world.audited(world.signer_database, signer_tables.audit, request) == [
        (None, "waiting_for_approval"),
        ("waiting_for_approval", "waiting_for_signature"),
        ("waiting_for_signature", "issued"),
    ]
    assert world.audited(world.web_database, web_tables.audit, request) == [
        (None, "submitted"),
        ("submitted", "relayed"),
        ("relayed", "waiting_for_approval"),
        ("waiting_for_approval", "issued"),
    ]


def test_the_web_side_learns_the_issuing_ca_before_the_first_certificate(world: World) -> None:
    world.signer_clock.announce()
    world.run()

    with world.web_database.read() as connection:
        (row,) = connection.execute(web_tables.issuers.select()).all()
    assert row.fingerprint == world.signer.issuers.current.fingerprint


@pytest.mark.parametrize("count", [1, 150, 501])
def test_many_requests_at_once_are_all_issued_with_serials_of_their_own(
    world: World, count: int
) -> None:
    requests = [world.submit(f"host-{number}.test") for number in range(count)]
    world.run()
    world.sweep()

    assert {world.states(request) for request in requests} == {(State.ISSUED, State.ISSUED)}
    serials = {
        x509.load_der_x509_certificate(world.certificate(request)).serial_number
        for request in requests
    }
    assert len(serials) == count


def test_while_signing_is_suspended_nothing_is_signed_and_afterwards_all_is(world: World) -> None:
    operate.suspend(world.signer_database, "a drill", "operator", world.time())
    request = world.submit("host.test", run=True)
    world.time.move(minutes=1)
    world.sweep()
    assert world.states(request) == ("waiting_for_signature", "waiting_for_signature")
    assert world.signer_row(request).attempts == 0

    operate.resume(world.signer_database, "the drill is over", "operator", world.time())
    world.sweep()

    assert world.states(request) == ("issued", "issued")


def test_a_suspension_stops_what_a_worker_has_already_claimed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = world.submit("host.test")
    prepare = authority.prepare

    def suspends(*arguments: object) -> authority.Prepared:
        operate.suspend(world.signer_database, "a drill", "operator", world.time())
        return prepare(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(authority, "prepare", suspends)
    world.run()
    assert world.signer_row(request).state == "waiting_for_signature"
    assert world.signer_row(request).attempts == 0

    monkeypatch.undo()
    operate.resume(world.signer_database, "the drill is over", "operator", world.time())
    world.sweep()
    assert world.states(request) == ("issued", "issued")


def test_a_request_that_an_operator_rejects_while_it_is_prepared_is_not_signed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = world.submit("host.test")
    with world.signing_suspended():  # so that it is not held, with its TBS, from the beginning
        world.run()
    prepare = authority.prepare

    def rejects(*arguments: object) -> authority.Prepared:
        operate.reject(world.signer_database, request, "Not ours.", "operator", world.time())
        return prepare(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(authority, "prepare", rejects)
    monkeypatch.setattr(authority, "sign", lambda *_: pytest.fail("the key was used"))
    world.run()
    world.sweep()

    assert world.states(request) == ("rejected", "rejected")


def test_a_wish_to_withdraw_while_the_request_is_relayed_is_told_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = world.submit("host.example.com", run=True)
    world.time.move(minutes=5)  # it is asked for again
    sent = world.web.send

    def wishes(stage: Stage, body: Body) -> None:
        sent(stage, body)
        if stage is POLICY:
            withdraw(world.web_database, request, None, world.time())

    object.__setattr__(world.web, "send", wishes)
    world.sweep()
    object.__setattr__(world.web, "send", sent)
    world.sweep()

    assert world.states(request) == ("withdrawn", "withdrawn")
