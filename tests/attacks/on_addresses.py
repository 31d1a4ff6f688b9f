"""Attacks with genuine keys: on another queue, to another stage, from the wrong role, from later."""

from __future__ import annotations

from datetime import timedelta

from pipeline.messages import WakeUp
from pipeline.stages import DECIDE, DELIVER, POLICY, RELAY, SIGN, TRANSMIT, Stage
from tests.attacks.attack import APPROVER_KEY, NOTHING, SIGNER_KEY, WEB_KEY, Attack, Spoil
from tests.attacks.forge import dumps, payload_of, seal, signed
from tests.attacks.ground import Genuine, Ground, new_id

ANOTHER_QUEUE: list[Attack] = [
    Attack(
        f"a genuine message to {stage.name} put on {queue.queue}",
        NOTHING,
        lambda g, n: n.octets,
        # The web side does not even know approvers.
        "unknown-certificate" if sender == "unknown" else "wrong-queue",
        sender,
        stage=stage,
        put_on=queue,
    )
    for stage, queue, sender in (
        (SIGN, TRANSMIT, "signer"),
        (POLICY, SIGN, "web"),
        (POLICY, DECIDE, "web"),
        (DECIDE, POLICY, "approver"),
        (DECIDE, DELIVER, "unknown"),
        (DELIVER, RELAY, "signer"),
        (RELAY, SIGN, "web"),
    )
]


def _by(sender: str) -> Spoil:
    """The same payload, signed by somebody else who is trusted, but not for this."""

    return lambda g, n: signed(dumps(payload_of(n.octets)), g.me[sender])


WRONG_ROLE: list[Attack] = [
    Attack(
        f"{what} from {sender}",
        has,
        _by(sender),
        "unknown-certificate" if unknown else "sender-not-admitted",
        "unknown" if unknown else sender,
        stage=stage,
    )
    for what, stage, sender, has, unknown in (
        ("an approval", DECIDE, "web", WEB_KEY, False),
        ("an approval", DECIDE, "signer", SIGNER_KEY, False),
        ("a submission", POLICY, "approver", APPROVER_KEY, False),
        ("a submission", POLICY, "signer", SIGNER_KEY, False),
        ("an outcome", DELIVER, "web", WEB_KEY, False),
        ("an outcome", DELIVER, "approver", APPROVER_KEY, True),
        ("a wake-up of sign", SIGN, "web", WEB_KEY, False),
        ("a wake-up of sign", SIGN, "approver", APPROVER_KEY, False),
        ("a wake-up of transmit", TRANSMIT, "web", WEB_KEY, False),
        ("a wake-up of relay", RELAY, "signer", SIGNER_KEY, False),
    )
]


def _to(stage: Stage, queue: str) -> Spoil:
    def spoil(_: Ground, genuine: Genuine) -> bytes:
        changed = payload_of(genuine.octets) | {"stage": stage.name, "queue": queue}
        return signed(dumps(changed), genuine.me)

    return spoil


def _later(minutes: int) -> Spoil:
    return lambda g, n: seal(
        n.me, n.stage, new_id(), WakeUp(), g.now() + timedelta(minutes=minutes)
    )


MISLEADING: list[Attack] = [
    Attack(
        "a submission that says it is for sign",
        WEB_KEY,
        _to(SIGN, POLICY.queue),
        "wrong-stage",
        "web",
    ),
    Attack(
        "a submission that says it is for the queue of sign",
        WEB_KEY,
        _to(POLICY, SIGN.queue),
        "wrong-queue",
        "web",
    ),
    Attack(
        "a submission for a queue in capitals",
        WEB_KEY,
        _to(POLICY, "SIGNER.POLICY"),
        "wrong-queue",
        "web",
    ),
    Attack(
        "a submission for the dead letters",
        WEB_KEY,
        _to(POLICY, "signer.policy.XQ"),
        "wrong-queue",
        "web",
    ),
    Attack("sent in an hour", SIGNER_KEY, _later(60), "from-the-future", "signer", stage=SIGN),
    Attack(
        "sent in a hundred years",
        SIGNER_KEY,
        _later(60 * 24 * 36525),
        "from-the-future",
        "signer",
        stage=SIGN,
    ),
]

ADDRESSES = ANOTHER_QUEUE + WRONG_ROLE + MISLEADING
