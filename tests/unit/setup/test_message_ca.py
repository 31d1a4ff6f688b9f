"""The message CA and its certificates."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from pipeline.crypto.identity import Sender, read_certificate
from pipeline.setup import message_ca
from pipeline.setup.message_ca import LIFETIMES, MessageCa
from pipeline.stages import Role
from tests.factories import NOW

SENDERS = [
    Sender(Role.WEB, "web"),
    Sender(Role.SIGNER, "signer"),
    Sender(Role.APPROVER, "alice"),
]


@pytest.fixture
def ca() -> MessageCa:
    return message_ca.make("Test message CA", NOW)


@pytest.mark.parametrize("sender", SENDERS, ids=str)
def test_a_certificate_speaks_for_its_sender(ca: MessageCa, sender: Sender) -> None:
    issued = message_ca.issue(ca, sender, NOW)
    read = read_certificate(issued.certificate)
    assert read.sender == sender
    assert read.key == issued.key.public_key()
    issued.certificate.verify_directly_issued_by(ca.certificate)


@pytest.mark.parametrize("sender", SENDERS, ids=str)
def test_a_certificate_signs_messages_and_no_certificates(ca: MessageCa, sender: Sender) -> None:
    extensions = message_ca.issue(ca, sender, NOW).certificate.extensions
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    assert usage.critical
    assert usage.value.digital_signature
    assert not usage.value.key_cert_sign
    assert constraints.critical
    assert not constraints.value.ca


@pytest.mark.parametrize("sender", SENDERS, ids=str)
def test_a_certificate_lives_as_long_as_its_role(ca: MessageCa, sender: Sender) -> None:
    certificate = message_ca.issue(ca, sender, NOW).certificate
    assert certificate.not_valid_before_utc < NOW
    end = (NOW + LIFETIMES[sender.role]).replace(microsecond=0)
    assert certificate.not_valid_after_utc == end


def test_a_certificate_ends_no_later_than_the_message_ca(ca: MessageCa) -> None:
    late = ca.certificate.not_valid_after_utc - timedelta(days=10)
    certificate = message_ca.issue(ca, SENDERS[0], late).certificate
    assert certificate.not_valid_after_utc == ca.certificate.not_valid_after_utc


def test_every_certificate_has_a_key_of_its_own(ca: MessageCa) -> None:
    first, second = (message_ca.issue(ca, SENDERS[0], NOW) for _ in range(2))
    assert first.certificate.public_key() != second.certificate.public_key()
    assert first.certificate.serial_number != second.certificate.serial_number


def test_another_message_ca_is_another(ca: MessageCa) -> None:
    other = message_ca.make("Test message CA", NOW)
    certificate = message_ca.issue(other, SENDERS[0], NOW).certificate
    with pytest.raises(InvalidSignature):
        certificate.verify_directly_issued_by(ca.certificate)
