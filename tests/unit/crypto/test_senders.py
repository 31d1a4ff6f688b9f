"""Whose messages are believed: every check of a sender's certificate."""

from datetime import timedelta

import pytest
from cryptography import x509

from pipeline.crypto.envelope import Envelope
from pipeline.crypto.identity import read_certificate
from pipeline.crypto.trust import Trust
from pipeline.errors import SettingsError
from pipeline.messages import Decision, SubmissionBatch
from pipeline.setup import message_ca
from pipeline.stages import DECIDE, POLICY, Role
from tests.attacks.forge import certificate
from tests.attacks.on_certificates import NO_SIGNATURES
from tests.unit.crypto.gate import ID, refused
from tests.unit.crypto.message_world import APPROVER, SIGNER, WEB, MessageWorld, of


def test_a_certificate_that_is_not_in_the_trust_folder_is_refused(world: MessageWorld) -> None:
    web = world.identity(WEB)
    stranger = world.identity(WEB, trusted=False)
    envelope = world.envelope(web)
    good = envelope.seal(ID, POLICY, SubmissionBatch())
    assert envelope.open(good, POLICY.queue).token == good

    token = Envelope(stranger, None, world.clock).seal(ID, POLICY, SubmissionBatch())

    assert refused(envelope, token) == "unknown-certificate"


def test_a_certificate_of_another_message_ca_is_refused_even_in_the_trust_folder(
    world: MessageWorld,
) -> None:
    other = message_ca.make("message CA", world.moment)
    forged = world.identity(WEB, ca=other)
    envelope = world.envelope(world.identity(WEB))

    token = Envelope(forged, None, world.clock).seal(ID, POLICY, SubmissionBatch())

    assert refused(envelope, token) == "unknown-certificate"


def test_a_self_signed_certificate_is_refused(world: MessageWorld) -> None:
    """A certificate that names its role and signed itself is no CA and was issued by none."""
    own = message_ca.make("web", world.moment)
    issued = message_ca.issue(own, WEB, world.moment)
    world.put("self", issued.certificate)
    envelope = world.envelope(world.identity(WEB))

    token = Envelope(of(issued.certificate, issued.key), None, world.clock).seal(
        ID, POLICY, SubmissionBatch()
    )

    assert refused(envelope, token) == "unknown-certificate"


@pytest.mark.parametrize(
    ("days", "reason"), [(-1, "certificate-not-yet-valid"), (800, "certificate-expired")]
)
def test_trust_is_judged_at_the_time_of_receipt(
    days: int, reason: str, world: MessageWorld
) -> None:
    envelope = world.envelope(world.identity(WEB))
    token = envelope.seal(ID, POLICY, SubmissionBatch())
    assert envelope.open(token, POLICY.queue).token == token

    world.moment += timedelta(days=days)

    assert refused(envelope, token) == reason


def test_a_certificate_that_is_moved_away_is_refused_without_a_restart(
    world: MessageWorld,
) -> None:
    web = world.identity(WEB)
    ticks = iter(range(0, 10_000, 60))
    trust = Trust(world.folder, monotonic=lambda: float(next(ticks)))
    envelope = Envelope(web, trust, world.clock)
    token = envelope.seal(ID, POLICY, SubmissionBatch())
    assert envelope.open(token, POLICY.queue).token == token

    for file in world.folder.glob("web-*.pem"):
        file.unlink()

    assert refused(envelope, token) == "unknown-certificate"


def test_a_side_that_trusts_nobody_refuses_everything(world: MessageWorld) -> None:
    web = world.identity(WEB)
    envelope = Envelope(web, None, world.clock)
    good = envelope.seal(ID, POLICY, SubmissionBatch())
    assert world.envelope(web).open(good, POLICY.queue).token == good

    assert refused(envelope, good) == "nobody-is-trusted-here"


def test_a_certificate_with_two_roles_is_trusted_by_nobody(world: MessageWorld) -> None:
    world.put("both", like_the_web_s(world, WEB.uri, SIGNER.uri))

    with pytest.raises(SettingsError, match=r"both\.pem.*exactly one sender"):
        Trust(world.folder)


def test_a_certificate_that_may_not_sign_is_trusted_by_nobody(world: MessageWorld) -> None:
    world.put("mute", like_the_web_s(world, WEB.uri, usage=NO_SIGNATURES))

    with pytest.raises(SettingsError, match=r"mute\.pem.*must allow digital signatures"):
        Trust(world.folder)


def test_a_certificate_like_these_without_their_fault_is_trusted(world: MessageWorld) -> None:
    made = like_the_web_s(world, WEB.uri)
    world.put("right", made)

    accepted = Trust(world.folder).accept(read_certificate(made).thumbprint, world.moment)

    assert accepted.sender == WEB


def like_the_web_s(
    world: MessageWorld, *uris: str, usage: x509.KeyUsage | None = None
) -> x509.Certificate:
    """Return a certificate of the message CA that has these URIs and is else as the web side's."""
    genuine = message_ca.issue(world.ca, WEB, world.moment)
    own = genuine.certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    return certificate(
        world.ca.certificate,
        world.ca.key,
        genuine.key.public_key(),
        list(uris),
        genuine.certificate.not_valid_before_utc,
        genuine.certificate.not_valid_after_utc,
        usage=usage or own,
    )


def test_an_approver_s_name_comes_from_the_certificate(world: MessageWorld) -> None:
    approver = world.envelope(world.identity(APPROVER))
    decision = Decision(ID, "accept", "0" * 64, world.moment)

    received = approver.open(approver.seal(ID, DECIDE, decision), DECIDE.queue)

    assert (received.sender.role, received.sender.name) == (Role.APPROVER, "approver")
