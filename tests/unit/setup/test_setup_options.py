"""What the options of a set-up change: URLs, keys of the CA, its passphrase, the clock."""

from datetime import datetime
from pathlib import Path

import pytest
from cryptography import x509

from pipeline.clock import now
from pipeline.errors import SettingsError
from pipeline.setup.directory import create
from pipeline.setup.options import SetupOptions
from pipeline.signer.issuer import load_issuer
from pipeline.signer.keys import file as key_file
from settings.approver import load_approver
from settings.signer import load_signer
from settings.web import load_web


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


def test_the_clock_that_is_given_dates_the_certificates(tmp_path: Path) -> None:
    moment = datetime.fromisoformat("2031-05-06T07:08:09+00:00")
    create(SetupOptions(tmp_path / "ca"), lambda: moment)
    root = x509.load_pem_x509_certificate((tmp_path / "ca/setup/root.pem").read_bytes())
    assert root.not_valid_before_utc == moment
