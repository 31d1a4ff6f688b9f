"""What `httpca setup` makes: the layout, who may read it, whom each side accepts."""

import os
import stat
from contextlib import suppress
from pathlib import Path

import pytest

from pipeline.clock import now
from pipeline.crypto import identity
from pipeline.crypto.envelope import Envelope
from pipeline.crypto.trust import Trust
from pipeline.errors import MessageRefused, SettingsError
from pipeline.messages import Body, OutcomeBatch, SubmissionBatch, WakeUp
from pipeline.setup.directory import create
from pipeline.setup.options import SetupOptions
from pipeline.signer import policy_file
from pipeline.stages import DECIDE, DELIVER, POLICY, RELAY, SIGN, Stage
from settings.approver import load_approver
from settings.signer import load_signer
from settings.web import load_http, load_web
from tests.unit.setup.entries import entries

MESSAGE_ID = "0197b3a0-0000-7000-8000-000000000000"

LAYOUT = """\
approvers/
approvers/alice/
approvers/alice/message.key
approvers/alice/message.pem
approvers/alice/settings.toml
approvers/alice/spool/
approvers/bob/
approvers/bob/message.key
approvers/bob/message.pem
approvers/bob/settings.toml
approvers/bob/spool/
setup/
setup/message-ca.key
setup/message-ca.pem
setup/root.key
setup/root.pem
signer/
signer/audit.key
signer/audit.vkey
signer/ca/
signer/ca/issuing.key
signer/ca/issuing.pem
signer/ca/root.pem
signer/data/
signer/message.key
signer/message.pem
signer/more-profiles.toml
signer/policy.toml
signer/settings.toml
signer/trusted/
signer/trusted/approver-alice.pem
signer/trusted/approver-bob.pem
signer/trusted/message-ca.pem
signer/trusted/signer.pem
signer/trusted/web.pem
web/
web/data/
web/message.key
web/message.pem
web/settings.toml
web/trusted/
web/trusted/message-ca.pem
web/trusted/signer.pem
web/trusted/web.pem
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for two approvers."""
    directory = tmp_path_factory.mktemp("setup") / "ca"
    create(SetupOptions(directory, approvers=("alice", "bob")))
    return directory


def envelope(home: Path, who: str) -> Envelope:
    folder = home / who
    me = identity.load(folder / "message.pem", folder / "message.key")
    trust = Trust(folder / "trusted") if (folder / "trusted").exists() else None
    return Envelope(me, trust, now)


def test_the_directory_holds_exactly_what_the_design_says(home: Path) -> None:
    assert "\n".join(entries(home)) + "\n" == LAYOUT


def test_only_the_owner_can_read_anything(home: Path) -> None:
    for path in [home, *home.rglob("*")]:
        allowed = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == allowed, path


def test_nothing_is_more_readable_because_of_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        create(SetupOptions(tmp_path / "ca"))
    finally:
        os.umask(before)
    test_only_the_owner_can_read_anything(tmp_path / "ca")


@pytest.mark.parametrize(
    ("side", "accepted"),
    [("web", {"web", "signer"}), ("signer", {"web", "signer", "alice", "bob"})],
)
def test_each_side_accepts_exactly_the_senders_it_must(
    home: Path, side: str, accepted: set[str]
) -> None:
    trust = Trust(home / side / "trusted")
    found = set()
    for who in ("web", "signer", "approvers/alice", "approvers/bob"):
        certificate = envelope(home, who).identity.certificate
        with suppress(MessageRefused):
            found.add(trust.accept(certificate.thumbprint, now()).sender.name)
    assert found == accepted


@pytest.mark.parametrize(
    ("sender", "receiver", "stage", "body"),
    [
        ("web", "signer", POLICY, SubmissionBatch()),
        ("web", "web", RELAY, WakeUp()),
        ("signer", "signer", SIGN, WakeUp()),
        ("signer", "web", DELIVER, OutcomeBatch()),
    ],
)
def test_a_message_of_one_side_opens_at_the_other(
    home: Path, sender: str, receiver: str, stage: Stage, body: Body
) -> None:
    octets = envelope(home, sender).seal(MESSAGE_ID, stage, body)
    received = envelope(home, receiver).open(octets, stage.queue)
    assert received.sender.name == sender
    assert received.body == body


def test_an_approver_is_no_side(home: Path) -> None:
    octets = envelope(home, "approvers/alice").seal(MESSAGE_ID, POLICY, SubmissionBatch())
    with pytest.raises(MessageRefused, match="sender-not-admitted"):
        envelope(home, "signer").open(octets, POLICY.queue)
    octets = envelope(home, "web").seal(MESSAGE_ID, DECIDE, WakeUp())
    with pytest.raises(MessageRefused, match="sender-not-admitted"):
        envelope(home, "signer").open(octets, DECIDE.queue)


def test_two_set_ups_accept_nothing_of_each_other(home: Path, tmp_path: Path) -> None:
    create(SetupOptions(tmp_path / "ca"))
    octets = envelope(tmp_path / "ca", "web").seal(MESSAGE_ID, POLICY, SubmissionBatch())
    with pytest.raises(MessageRefused, match="unknown-certificate"):
        envelope(home, "signer").open(octets, POLICY.queue)


def test_each_side_finds_its_own_settings(home: Path) -> None:
    web, signer = load_web(home / "web"), load_signer(home / "signer")
    assert web.database == f"sqlite:///{home}/web/data/web.db"
    assert signer.database == f"sqlite:///{home}/signer/data/signer.db"
    assert (web.broker, signer.broker) == ("memory:", "memory:")
    assert not web.http.anonymous
    assert (web.log.format, signer.log.format) == ("json", "json")
    assert len(web.secret) >= 32
    assert load_http(home / "web").broker == ""


def test_an_approver_finds_the_signers_database(home: Path) -> None:
    found = load_approver(home / "approvers" / "alice")
    assert found.name == "alice"
    assert found.signer_database == load_signer(home / "signer").database


@pytest.mark.parametrize("side", ["web", "signer"])
def test_a_side_refuses_the_other_sides_settings(home: Path, side: str) -> None:
    load = {"web": load_signer, "signer": load_web}[side]
    with pytest.raises(SettingsError, match=f"role: is '{side}', but this process is of role"):
        load(home / side)


def test_the_policy_can_be_read(home: Path) -> None:
    assert set(policy_file.load(home / "signer" / "policy.toml").profiles) >= {"server", "client"}
