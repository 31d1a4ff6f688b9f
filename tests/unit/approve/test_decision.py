"""A decision is evidence: made over what was shown, under the approver's own key."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pipeline.approve.decision import WITHOUT_REASON, DecisionRefused, check_reason, load_identity
from pipeline.approve.desk import Desk, nobody_to_ask
from pipeline.approve.outcome import Answer, Result
from pipeline.approve.spool import Spooled
from pipeline.clock import now
from pipeline.crypto.envelope import Envelope
from pipeline.crypto.trust import Trust
from pipeline.errors import SettingsError
from pipeline.messages import Decision
from pipeline.setup.files import write_key
from pipeline.stages import DECIDE
from pipeline.states import State
from settings.approver import load_approver
from tests.unit.approve.asked import make_csr, make_issuer
from tests.unit.approve.world import World, decided, look, make


def test_the_signer_believes_it_and_knows_who_says_it(desk: Desk, world: World) -> None:
    request_id = world.add()
    shown = look(desk, request_id)
    spooled = make(desk, request_id, "reject", "no such host")
    received = Envelope(world.identity(), Trust(world.trusted), now).open(
        spooled.octets, DECIDE.queue
    )
    assert received.id == spooled.message_id
    assert received.sender.name == "approver"
    assert isinstance(received.body, Decision)
    assert received.body.request_id == request_id
    assert received.body.digest == shown.digest
    assert (received.body.verdict, received.body.reason) == ("reject", "no such host")


@pytest.mark.parametrize("reason", ["", "   ", "\n\t", "...", "\u200b"])
def test_a_rejection_without_a_reason_is_refused(desk: Desk, world: World, reason: str) -> None:
    with pytest.raises(DecisionRefused) as caught:
        desk.decide(look(desk, world.add()), "reject", reason)
    assert str(caught.value) == WITHOUT_REASON
    assert desk.spool.list() == ([], [])


def test_a_reason_is_one_line_of_what_can_be_seen() -> None:
    assert check_reason("reject", "  two\n words ") == "two words"
    with pytest.raises(DecisionRefused, match="cannot be seen"):
        check_reason("reject", "looks fine\x1b[2J")
    with pytest.raises(DecisionRefused, match="longer than 2000"):
        check_reason("reject", "x" * 2001)


def test_nothing_is_sent_about_what_somebody_else_decided_meanwhile(
    desk: Desk, world: World
) -> None:
    shown = look(desk, world.add())
    world.record(decided(shown.request.id, "reject", "unknown host"), "other")
    answer = desk.decide(shown, "accept")
    assert isinstance(answer, Answer)
    assert answer.result is Result.DECIDED_OTHERWISE
    assert answer.sentence == (
        "It was rejected by other on 2026-03-01 12:00 UTC: “unknown host” Nothing was sent."
    )
    assert desk.spool.list() == ([], [])


def test_nothing_is_sent_when_it_was_decided_alike_meanwhile(desk: Desk, world: World) -> None:
    shown = look(desk, world.add())
    world.record(decided(shown.request.id, "accept"), "other")
    answer = desk.decide(shown, "accept")
    assert isinstance(answer, Answer)
    assert (answer.result, answer.exit_code) == (Result.DECIDED_ALIKE, 0)


@pytest.mark.parametrize("state", [State.WITHDRAWN, State.EXPIRED])
def test_what_ended_without_a_decision_is_told(desk: Desk, world: World, state: State) -> None:
    shown = look(desk, world.add())
    world.move(shown.request.id, state)
    answer = desk.decide(shown, "accept")
    assert isinstance(answer, Answer)
    assert answer.result is Result.DECIDED_OTHERWISE
    assert "2026-03-01 12:05 UTC" in answer.sentence


def test_a_request_that_changed_since_it_was_shown_is_shown_again(desk: Desk, world: World) -> None:
    from sqlalchemy import update

    from pipeline.signer.tables import submissions

    shown = look(desk, world.add())
    with world.database.write() as connection:
        connection.execute(
            update(submissions).values(rule={"name": "another", "action": "approve"})
        )
    answer = desk.decide(shown, "accept")
    assert isinstance(answer, Answer)
    assert answer.result is Result.CHANGED


def test_another_approvers_word_is_shown_before_ones_own_is_sent(desk: Desk, world: World) -> None:
    shown = look(desk, world.add(rule={"name": "two of us", "action": "approve", "quorum": 2}))
    world.record(decided(shown.request.id, "accept"), "other")
    world.move(shown.request.id, State.WAITING_FOR_APPROVAL)  # one more is needed
    answer = desk.decide(shown, "accept")
    assert isinstance(answer, Answer)
    assert answer.result is Result.SAID_MEANWHILE
    assert answer.sentence == "Meanwhile: 1 of 2 have accepted: other. Nothing was sent yet."
    assert isinstance(desk.decide(look(desk, shown.request.id), "accept"), Spooled)


def test_a_decision_under_way_is_not_made_twice(desk: Desk, world: World) -> None:
    request_id = world.add()
    first = make(desk, request_id)
    assert make(desk, request_id) == first
    answer = desk.decide(look(desk, request_id), "reject", "I thought better of it")
    assert isinstance(answer, Answer)
    assert (answer.result, answer.exit_code) == (Result.NOT_POSSIBLE, 1)
    assert "decision to accept it is under way" in answer.sentence


def test_what_cannot_be_shown_cannot_be_accepted_but_rejected(desk: Desk, world: World) -> None:
    unread = world.add(csr=b"0\x00 no CSR")
    unknown = world.add(profile={"name": "server", "something": "new"})
    for request_id in (unread, unknown):
        answer = desk.decide(look(desk, request_id), "accept")
        assert isinstance(answer, Answer)
        assert answer.result is Result.NOT_POSSIBLE
        assert "cannot be shown" in answer.sentence
        make(desk, request_id, "reject", "cannot be read")


def test_an_issuer_that_is_not_the_one_on_record_cannot_be_accepted(
    desk: Desk, world: World
) -> None:
    from sqlalchemy import update

    from pipeline.signer.tables import issuers

    other = make_issuer()
    fingerprint = world.add_issuer(other)
    request_id = world.add(issuer=fingerprint)
    with world.database.write() as connection:
        connection.execute(
            update(issuers).where(issuers.c.fingerprint == fingerprint).values(certificate=b"0")
        )
    answer = desk.decide(look(desk, request_id), "accept")
    assert isinstance(answer, Answer)
    assert "not the one that its record names" in answer.sentence


def test_an_expired_approver_is_told_and_nothing_is_sent(
    world: World, open_as: Callable[[str], Desk]
) -> None:
    world.approver("late", lifetime=timedelta(minutes=-1))
    desk = open_as("late")
    with pytest.raises(DecisionRefused, match=r"not valid now.*certificate-expired"):
        desk.decide(look(desk, world.add(make_csr())), "accept")
    assert desk.spool.list() == ([], [])


def test_a_certificate_of_somebody_else_is_refused(world: World) -> None:
    mine, other = world.approver("mine"), world.approver("other")
    for name in ("message.pem", "message.key"):
        (mine / name).write_bytes((other / name).read_bytes())
    with pytest.raises(SettingsError, match="urn:httpca:approver:other, not for approver 'mine'"):
        load_identity(load_approver(mine), nobody_to_ask)


def test_an_encrypted_key_takes_its_passphrase_from_a_file_or_from_whoever_is_asked(
    world: World,
) -> None:
    folder = world.approver("alice")
    key = load_pem_private_key((folder / "message.key").read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    (folder / "message.key").unlink()
    write_key(folder / "message.key", key, b"a passphrase")

    with pytest.raises(SettingsError, match="encrypted; give its passphrase"):
        load_identity(load_approver(folder), nobody_to_ask)
    with pytest.raises(SettingsError, match="passphrase of the message key is wrong"):
        load_identity(load_approver(folder), lambda: b"another")
    assert load_identity(load_approver(folder), lambda: b"a passphrase").sender.name == "alice"

    (folder / "key.pass").write_text("a passphrase\n")
    with (folder / "settings.toml").open("a") as settings:
        settings.write('message_passphrase_file = "key.pass"\n')
    assert load_identity(load_approver(folder), nobody_to_ask).sender.name == "alice"
