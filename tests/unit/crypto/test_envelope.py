"""Each check of a message on arrival, with its unspoilt twin before it."""

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from pipeline import messages
from pipeline.crypto import jws
from pipeline.crypto.identity import Identity
from pipeline.messages import Decision, SubmissionBatch, WakeUp
from pipeline.stages import POLICY, SIGN, STAGES, Stage
from tests.unit.crypto.gate import ID, refused
from tests.unit.crypto.message_world import APPROVER, SIGNER, WEB, MessageWorld


def raw(identity: Identity, payload: bytes) -> bytes:
    """Sign whatever payload, as somebody who has the key can."""
    return jws.sign(payload, identity.private_key, identity.certificate.thumbprint)


def payload_of(token: bytes) -> dict[str, Any]:
    part = token.split(b".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + b"=="))
    return found


def dumps(payload: object) -> bytes:
    return json.dumps(payload, separators=(",", ":")).encode()


def test_a_message_of_an_admitted_sender_is_opened(world: MessageWorld) -> None:
    web = world.envelope(world.identity(WEB))
    token = web.seal(ID, POLICY, SubmissionBatch(withdrawals=[ID]))

    received = web.open(token, POLICY.queue)

    assert received.body == SubmissionBatch(withdrawals=[ID])
    assert received.sender == WEB
    assert received.id == ID
    assert received.token == token


@pytest.mark.parametrize("stage", STAGES.values(), ids=lambda stage: stage.queue)
@pytest.mark.parametrize("sender", [WEB, SIGNER, APPROVER], ids=lambda sender: sender.name)
def test_each_stage_admits_its_senders_and_nobody_else(
    stage: Stage, sender: Any, world: MessageWorld
) -> None:
    envelope = world.envelope(world.identity(sender))
    bodies: dict[type[messages.Body], messages.Body] = {
        WakeUp: WakeUp(),
        SubmissionBatch: SubmissionBatch(),
        messages.OutcomeBatch: messages.OutcomeBatch(),
        Decision: Decision(ID, "accept", "0" * 64, world.moment),
    }
    token = envelope.seal(ID, stage, bodies[messages.CARRIES[stage.queue]])

    if sender.role in stage.senders:
        assert envelope.open(token, stage.queue).sender == sender
    else:
        assert refused(envelope, token, stage.queue) == "sender-not-admitted"


def test_a_message_with_a_changed_payload_is_refused(world: MessageWorld) -> None:
    web = world.envelope(world.identity(WEB))
    token = web.seal(ID, POLICY, SubmissionBatch())
    assert web.open(token, POLICY.queue).token == token
    header, payload, signature = token.split(b".")

    other = dumps(payload_of(token) | {"body": {"withdrawals": [ID]}})

    assert jws.encode(other) != payload
    forged = b".".join((header, jws.encode(other), signature))
    assert refused(web, forged) == "bad-signature"


def test_a_genuine_message_on_another_queue_is_refused(world: MessageWorld) -> None:
    signer = world.envelope(world.identity(SIGNER))
    token = signer.seal(ID, SIGN, WakeUp())
    assert signer.open(token, SIGN.queue).token == token

    assert refused(signer, token, "signer.transmit") == "wrong-queue"


def test_a_message_from_the_future_is_refused(world: MessageWorld) -> None:
    envelope = world.envelope(world.identity(WEB))
    world.moment += timedelta(minutes=9)
    near = envelope.seal(ID, POLICY, SubmissionBatch())
    world.moment += timedelta(minutes=2)
    far = envelope.seal(ID, POLICY, SubmissionBatch())
    world.moment -= timedelta(minutes=11)

    assert envelope.open(near, POLICY.queue).token == near
    assert refused(envelope, far) == "from-the-future"


def test_a_message_larger_than_allowed_is_refused_unread(world: MessageWorld) -> None:
    envelope = world.envelope(world.identity(WEB))

    assert refused(envelope, b"a" * messages.MAX_MESSAGE_BYTES) == "not-a-jws"
    assert refused(envelope, b"a" * (messages.MAX_MESSAGE_BYTES + 1)) == "too-large"


Spoil = Callable[[dict[str, Any]], bytes]


def _with(**changes: Any) -> Spoil:
    return lambda payload: dumps(payload | changes)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        pytest.param(_with(v=2), "unknown-version", id="a version that is not read"),
        pytest.param(_with(v=1.0), "bad-body", id="the version as a float"),
        pytest.param(_with(queue="signer.sign"), "wrong-queue", id="another queue"),
        pytest.param(_with(stage="sign"), "wrong-stage", id="another stage"),
        pytest.param(_with(id="no-uuid"), "bad-body", id="an id that is none"),
        pytest.param(_with(extra=1), "bad-body", id="a member too many"),
        pytest.param(_with(body={"withdrawals": "all"}), "bad-body", id="a wrong type"),
        pytest.param(_with(body={"unknown": []}), "bad-body", id="an unknown member in the body"),
        pytest.param(_with(body=[]), "bad-body", id="a list as body"),
        pytest.param(_with(body=None), "bad-body", id="null as body"),
        pytest.param(
            _with(body={"withdrawals": [ID] * 501}), "bad-body", id="more items than allowed"
        ),
        pytest.param(
            _with(sent_at="2026-01-01T00:00:00"), "bad-body", id="a time without its zone"
        ),
        pytest.param(
            _with(sent_at="2026-01-01T00:00:00+01:00"), "bad-body", id="a time of another zone"
        ),
        pytest.param(_with(sent_at="0001-01-01T00:00:00Z"), "bad-body", id="a time long ago"),
        pytest.param(_with(sent_at=10**400), "bad-body", id="an enormous number"),
        pytest.param(
            lambda p: dumps({k: v for k, v in p.items() if k != "id"}), "bad-body", id="no id"
        ),
        pytest.param(lambda p: dumps(p) + b" ", "bad-body", id="white space behind"),
        pytest.param(
            lambda p: dumps(p).replace(b'{"v":1', b'{"v":1,"v":1'), "bad-body", id="a member twice"
        ),
        pytest.param(lambda p: dumps(p).replace(b'"body":{}', b'"body":NaN'), "bad-body", id="NaN"),
        pytest.param(
            lambda p: dumps(p).replace(b'"body":{}', b'"body":' + b"[" * 50_000),
            "bad-body",
            id="deep nesting",
        ),
        pytest.param(lambda _: b"\xff\xfe\x00", "bad-body", id="no UTF-8"),
        pytest.param(lambda _: b"", "bad-body", id="nothing"),
    ],
)
def test_a_payload_in_any_but_the_one_form_is_refused(
    spoil: Spoil, reason: str, world: MessageWorld
) -> None:
    web = world.identity(WEB)
    envelope = world.envelope(web)
    good = envelope.seal(ID, POLICY, SubmissionBatch())
    payload = payload_of(good)
    assert envelope.open(raw(web, dumps(payload)), POLICY.queue).sender == WEB

    assert refused(envelope, raw(web, spoil(payload))) == reason


def test_what_a_log_can_show_of_a_message_holds_neither_body_nor_token(
    world: MessageWorld,
) -> None:
    web = world.envelope(world.identity(WEB))
    secret = "01890000-0000-7000-8000-00000000beef"
    token = web.seal(ID, POLICY, SubmissionBatch(withdrawals=[secret]))

    shown = repr(web.open(token, POLICY.queue))

    assert secret not in shown
    assert token.decode() not in shown
