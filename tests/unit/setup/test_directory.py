"""What `httpca setup` makes: the layout, who may read it, whom each side accepts, and the CA."""

import os
import stat
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from cryptography import x509

from pipeline.clock import now
from pipeline.crypto import identity
from pipeline.crypto.envelope import Envelope
from pipeline.crypto.trust import Trust
from pipeline.errors import MessageRefused, SettingsError
from pipeline.messages import Body, OutcomeBatch, SubmissionBatch, WakeUp
from pipeline.setup import directory as module
from pipeline.setup.directory import create
from pipeline.setup.options import SetupOptions
from pipeline.signer import policy_file
from pipeline.signer.issuer import load_issuer
from pipeline.signer.keys import file as key_file
from pipeline.stages import DECIDE, DELIVER, POLICY, RELAY, SIGN, Stage
from settings.approver import load_approver
from settings.signer import load_signer
from settings.web import load_http, load_web

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


def entries(directory: Path) -> list[str]:
    found = [
        f"{path.relative_to(directory)}{'/' if path.is_dir() else ''}"
        for path in directory.rglob("*")
    ]
    return sorted(found)


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


def test_urls_reach_the_roles_they_are_for(tmp_path: Path) -> None:
    create(
        SetupOptions(
            tmp_path / "ca",
            web_database="postgresql+psycopg://web:pässw\\ord@db/web",
            signer_database="postgresql+psycopg://signer@db/signer",
            approver_database="postgresql+psycopg://approver@db/signer",
            web_broker="amqp://web:secret@mq/",
            signer_broker="amqp://signer:secret@mq/",
            approver_broker="amqp://approver:secret@mq/",
        )
    )
    web, signer = load_web(tmp_path / "ca/web"), load_signer(tmp_path / "ca/signer")
    approver = load_approver(tmp_path / "ca/approvers/approver")
    assert web.database == "postgresql+psycopg://web:pässw\\ord@db/web"
    assert signer.database == "postgresql+psycopg://signer@db/signer"
    assert approver.signer_database == "postgresql+psycopg://approver@db/signer"
    assert [role.broker for role in (web, signer, approver)] == [
        "amqp://web:secret@mq/",
        "amqp://signer:secret@mq/",
        "amqp://approver:secret@mq/",
    ]


def test_a_development_set_up_admits_anonymous_requesters_and_logs_for_people(
    tmp_path: Path,
) -> None:
    create(SetupOptions(tmp_path / "ca", development=True))
    web = load_web(tmp_path / "ca" / "web")
    assert web.http.anonymous
    assert web.log.format == "text"
    assert load_signer(tmp_path / "ca" / "signer").log.format == "text"


@pytest.mark.parametrize("kind", ["ec:P-256", "ec:P-384", "ed25519", "rsa:2048"])
def test_the_issuing_ca_works_with_every_kind_of_key(tmp_path: Path, kind: str) -> None:
    create(SetupOptions(tmp_path / "ca", ca_key=kind, ca_name="Example"))
    folder = tmp_path / "ca" / "signer" / "ca"
    key = key_file.load(folder / "issuing.key", None)
    issuer = load_issuer(folder / "issuing.pem", folder / "root.pem", key, now())
    assert issuer.kind == kind
    assert issuer.certificate.subject.rfc4514_string() == "CN=Example Issuing CA"
    assert issuer.certificate.issuer.rfc4514_string() == "CN=Example Root CA"


def test_with_a_passphrase_the_offline_and_the_issuing_keys_are_encrypted(tmp_path: Path) -> None:
    passphrase_file = tmp_path / "passphrase"
    passphrase_file.write_text("correct horse\n")
    home = tmp_path / "ca"
    create(SetupOptions(home, passphrase_file=passphrase_file))
    for key in ("signer/ca/issuing.key", "setup/root.key", "setup/message-ca.key"):
        assert (home / key).read_text().startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    key_file.load(home / "signer/ca/issuing.key", b"correct horse")
    with pytest.raises(SettingsError, match="wrong"):
        key_file.load(home / "signer/ca/issuing.key", b"battery staple")
    assert load_signer(home / "signer").passphrase_file == str(passphrase_file)


def test_the_passphrase_itself_is_in_no_file(tmp_path: Path) -> None:
    passphrase_file = tmp_path / "passphrase"
    passphrase_file.write_text("correct horse\n")
    create(SetupOptions(tmp_path / "ca", passphrase_file=passphrase_file))
    files = [path for path in (tmp_path / "ca").rglob("*") if path.is_file()]
    assert not [path for path in files if b"correct horse" in path.read_bytes()]


def test_a_relative_passphrase_file_is_found_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "passphrase").write_text("correct horse")
    monkeypatch.chdir(tmp_path)
    create(SetupOptions(Path("ca"), passphrase_file=Path("passphrase")))
    assert load_signer(tmp_path / "ca/signer").passphrase_file == str(tmp_path / "passphrase")


@pytest.mark.parametrize("content", ["", "\n", "two\nlines\n"])
def test_a_passphrase_file_of_another_form_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "passphrase").write_text(content)
    with pytest.raises(SettingsError, match="holds one line"):
        create(SetupOptions(tmp_path / "ca", passphrase_file=tmp_path / "passphrase"))
    assert not (tmp_path / "ca").exists()


def test_a_folder_with_content_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("content")
    with pytest.raises(SettingsError, match="there is something here already"):
        create(SetupOptions(tmp_path))
    assert entries(tmp_path) == ["mine"]


def test_an_empty_folder_is_set_up(tmp_path: Path) -> None:
    create(SetupOptions(tmp_path / "a" / "b"))
    (tmp_path / "empty").mkdir()
    create(SetupOptions(tmp_path / "empty"))
    assert entries(tmp_path / "empty") == entries(tmp_path / "a" / "b")


def test_a_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_certificate_authority", fail)
    with pytest.raises(SettingsError, match="cannot be set up: No space left on device"):
        create(SetupOptions(tmp_path / "ca"))
    assert entries(tmp_path) == []


def test_until_all_is_made_there_is_no_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def look(directory: Path, *_: object) -> None:
        seen.append((directory, (tmp_path / "ca").exists()))

    monkeypatch.setattr(module, "_certificate_authority", look)
    create(SetupOptions(tmp_path / "ca"))
    [(beside, was_there)] = seen
    assert beside.parent == tmp_path
    assert not was_there
    assert entries(tmp_path)[0] == "ca/"
    assert not beside.exists()


WRONG = [
    ({"web_database": "mysql://x"}, "--web-database: is neither postgresql"),
    ({"signer_database": "sqlite:///"}, "--signer-database: is neither postgresql"),
    ({"approver_database": "oracle:"}, "--approver-database: is neither postgresql"),
    ({"web_broker": "redis:"}, "--web-broker: is neither amqp"),
    ({"signer_broker": ""}, "--signer-broker: is neither amqp"),
    ({"approver_broker": "amqp:"}, "--approver-broker: is neither amqp"),
    ({"ca_key": "rsa:1024"}, "--ca-key: 'rsa:1024' is not a kind"),
    ({"ca_name": ""}, "--ca-name: a name has 1 to 52"),
    ({"ca_name": "x" * 53}, "--ca-name: a name has 1 to 52"),
    ({"approvers": ("../web",)}, "--approver: '../web' is no name"),
    ({"passphrase_file": Path("/nowhere/passphrase")}, "the passphrase cannot be read"),
]


@pytest.mark.parametrize(("values", "sentence"), WRONG, ids=[wrong[1] for wrong in WRONG])
def test_a_wrong_option_is_named_and_nothing_is_made(
    tmp_path: Path, values: dict[str, object], sentence: str
) -> None:
    options = replace(SetupOptions(tmp_path / "ca"), **values)  # type: ignore[arg-type]
    with pytest.raises(SettingsError) as caught:
        create(options)
    assert sentence in str(caught.value)
    assert entries(tmp_path) == []


def test_the_clock_that_is_given_dates_the_certificates(tmp_path: Path) -> None:
    moment = datetime.fromisoformat("2031-05-06T07:08:09+00:00")
    create(SetupOptions(tmp_path / "ca"), lambda: moment)
    root = x509.load_pem_x509_certificate((tmp_path / "ca/setup/root.pem").read_bytes())
    assert root.not_valid_before_utc == moment
