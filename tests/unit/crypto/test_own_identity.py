"""The message identity of a running process: taken up when it is renewed, never when it is wrong."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from pipeline.crypto.envelope import Envelope
from pipeline.crypto.identity import Sender, read_certificate
from pipeline.crypto.own_identity import LOOK_AGAIN, OwnIdentity
from pipeline.errors import SettingsError
from pipeline.messages import SubmissionBatch
from pipeline.setup import files, message_ca
from pipeline.stages import POLICY, Role
from tests.unit.crypto.message_world import SIGNER, WEB, MessageWorld

ID = "0197b3a0-0000-7000-8000-000000000000"


class Home:
    """A side's folder, looked at again at each question."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "side").mkdir(parents=True)
        self.world = MessageWorld(path / "side" / "trusted")
        self.first = self.put()
        ticks: Iterator[float] = (number * (LOOK_AGAIN + 1) for number in range(1000))
        self.own = OwnIdentity(path / "side", Role.WEB, monotonic=lambda: next(ticks))

    def put(self, sender: Sender = WEB, *, key: bool = True, certificate: bool = True) -> str:
        """Put a fresh identity in place, or one half of it; return its thumbprint."""
        issued = message_ca.issue(self.world.ca, sender, self.world.moment)
        side = self.path / "side"
        if key:
            (side / "message.key").unlink(missing_ok=True)
            files.write_key(side / "message.key", issued.key)
        if certificate:
            (side / "message.pem").unlink(missing_ok=True)
            files.write_certificate(side / "message.pem", issued.certificate)
        self.issued = issued
        self.world.put(f"{sender.name}-{issued.certificate.serial_number}", issued.certificate)
        return read_certificate(issued.certificate).thumbprint

    def signs_as(self) -> str:
        return self.own().certificate.thumbprint


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_a_renewed_identity_is_taken_up_without_a_restart(home: Home) -> None:
    assert home.signs_as() == home.first
    envelope = home.world.envelope(home.own())
    running = Envelope(home.own, None, home.world.clock)
    before = running.seal(ID, POLICY, SubmissionBatch())

    second = home.put()

    assert home.signs_as() == second
    after = running.seal(ID, POLICY, SubmissionBatch())
    for octets in (before, after):
        assert envelope.open(octets, POLICY.queue).sender == WEB


def test_a_certificate_is_believed_from_its_first_message_on(home: Home) -> None:
    envelope = home.world.envelope(home.own())  # its trust folder was looked at just now
    home.put()
    octets = Envelope(home.own, None, home.world.clock).seal(ID, POLICY, SubmissionBatch())

    assert envelope.open(octets, POLICY.queue).sender == WEB


def test_half_of_a_renewal_is_waited_out_without_a_word(home: Home) -> None:
    with capture_logs() as logs:
        home.put(certificate=False)
        assert home.signs_as() == home.first
        (home.path / "side" / "message.pem").unlink()
        files.write_certificate(home.path / "side" / "message.pem", home.issued.certificate)
        assert home.signs_as() != home.first
    assert [line["event"] for line in logs] == ["message-identity-renewed"]


def test_what_does_not_fit_never_takes_effect_and_is_said_once(home: Home) -> None:
    with capture_logs() as logs:
        home.put(key=False)
        assert {home.signs_as() for _ in range(5)} == {home.first}
    assert [line["event"] for line in logs] == ["message-identity-refused"]


def test_the_identity_of_another_role_never_takes_effect(home: Home) -> None:
    home.put(SIGNER)
    assert {home.signs_as() for _ in range(3)} == {home.first}
    with pytest.raises(SettingsError, match="speaks for urn:httpca:role:signer"):
        OwnIdentity(home.path / "side", Role.WEB)


def test_files_that_are_gone_leave_a_running_process_as_it_is(home: Home) -> None:
    (home.path / "side" / "message.key").unlink()
    assert {home.signs_as() for _ in range(3)} == {home.first}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660, 0o644, 0o777])
def test_a_key_that_others_have_rights_to_is_refused(home: Home, mode: int) -> None:
    (home.path / "side" / "message.key").chmod(mode)
    with pytest.raises(SettingsError, match=rf"mode {mode:04o}\): chmod 600 .*message\.key"):
        OwnIdentity(home.path / "side", Role.WEB)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_key_that_is_its_owner_s_alone_is_read(home: Home, mode: int) -> None:
    (home.path / "side" / "message.key").chmod(mode)
    assert OwnIdentity(home.path / "side", Role.WEB)().sender == WEB


@pytest.mark.parametrize(
    ("encrypted", "given", "sentence"),
    [
        pytest.param(b"right", None, "is encrypted; give its passphrase", id="none given"),
        pytest.param(b"right", b"wrong", "passphrase of the message key is wrong", id="wrong"),
        pytest.param(None, b"right", "is not encrypted, but a passphrase was given", id="needless"),
    ],
)
def test_a_passphrase_that_does_not_fit_is_refused_with_a_sentence(
    home: Home, encrypted: bytes | None, given: bytes | None, sentence: str
) -> None:
    file = home.path / "side" / "message.key"
    file.unlink()
    files.write_key(file, home.issued.key, encrypted)
    with pytest.raises(SettingsError, match=sentence):
        OwnIdentity(home.path / "side", Role.WEB, lambda: given)


def test_an_encrypted_key_signs_with_its_passphrase(home: Home) -> None:
    file = home.path / "side" / "message.key"
    file.unlink()
    files.write_key(file, home.issued.key, b"right")
    own = OwnIdentity(home.path / "side", Role.WEB, lambda: b"right")
    assert own().certificate.thumbprint == home.first
