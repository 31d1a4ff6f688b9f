"""What set-up writes for accounts: names, passwords, files, certificates, settings."""

import base64
import hmac
import json
import stat
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pipeline.cli import main
from pipeline.errors import SettingsError
from pipeline.setup.directory import create
from pipeline.setup.grants import apply, passwords, servers, transport
from pipeline.setup.grants.rabbitmq import permissions
from pipeline.setup.grants.servers import Servers
from pipeline.setup.options import SetupOptions
from pipeline.signer import grants as signer_grants
from pipeline.signer.tables import metadata as signer_tables
from pipeline.stages import Role
from pipeline.web import grants as web_grants
from pipeline.web.tables import metadata as web_tables
from settings.approver import load_approver
from settings.owner import load_owner
from settings.signer import load_signer
from settings.web import load_web
from tests.factories import NOW, openssl, write

WHERE = Servers("db.example:5432", "db.example:5432", "mq.example:5671")


def made(folder: Path, where: Servers = WHERE, **options: object) -> Path:
    directory = folder / "ca"
    create(SetupOptions(directory=directory, servers=where, **options))  # type: ignore[arg-type]
    return directory


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("grants"), approvers=("alice", "bob"))


def test_a_verifier_makes_the_server_signature_of_the_scram_example() -> None:
    # RFC 7677, section 3: user "user", password "pencil"; PostgreSQL writes it as RFC 5803 does.
    salt, nonce = "W22ZaJ0SNY7soEsUEjb6gQ==", "rOprNGfwEbeRWgbNEkqO"
    both = f"{nonce}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    said = f"n=user,r={nonce},r={both},s={salt},i=4096,c=biws,r={both}"

    verifier = passwords.scram_verifier("pencil", base64.b64decode(salt))

    head, keys = verifier.rsplit("$", 1)
    server_key = base64.b64decode(keys.partition(":")[2])
    signature = base64.b64encode(hmac.digest(server_key, said.encode(), "sha256"))
    assert head == f"SCRAM-SHA-256$4096:{salt}"
    assert signature == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    assert passwords.scram_verifier("pencil") != verifier


def test_a_password_s_hash_is_the_one_of_rabbitmq_s_example() -> None:
    # RabbitMQ, "Passwords": test12 with the salt 908DC60A.
    salt = bytes.fromhex("908dc60a")
    found = passwords.rabbitmq_hash("test12", salt)
    assert found == "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"


def test_every_approver_and_every_process_connects_as_somebody_else(ready: Path) -> None:
    urls = [
        load_web(ready / "web").database,
        load_web(ready / "web-http").database,
        load_web(ready / "web-operator").database,
        load_signer(ready / "signer").database,
        load_signer(ready / "signer-reader").database,
        load_approver(ready / "approvers/alice").signer_database,
        load_approver(ready / "approvers/bob").signer_database,
        load_owner(ready / "owner/web").database,
        load_owner(ready / "owner/signer").database,
    ]
    logins = [url.partition("://")[2].partition("@")[0] for url in urls]
    assert len({login.partition(":")[0] for login in logins}) == len(urls)
    assert len({login.partition(":")[2] for login in logins}) == len(urls)
    assert all("sslmode=verify-full" in url for url in urls)


def test_a_loaded_broker_has_its_files_for_tls_and_no_password(ready: Path) -> None:
    broker = load_web(ready / "web").broker
    assert broker.startswith("amqps://mq.example:5671/httpca?cacertfile=")
    assert "%2Fweb%2Ftransport.key" in broker


def test_everything_is_for_its_owner_alone(ready: Path) -> None:
    for path in ready.rglob("*"):
        wanted = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path


def test_a_client_s_certificate_has_the_account_s_name_and_serves_nobody(ready: Path) -> None:
    certificate = x509.load_pem_x509_certificate((ready / "signer/transport.pem").read_bytes())
    (name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert name.value == "httpca_signer"
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_openssl_accepts_each_certificate_for_its_own_purpose(ready: Path) -> None:
    ca = str(ready / "setup/transport-ca.pem")
    for purpose, file in {
        "sslclient": "approvers/alice/transport.pem",
        "sslserver": "setup/servers/rabbitmq/server.pem",
    }.items():
        arguments = ["verify", "-x509_strict", "-CAfile", ca, "-purpose", purpose]
        assert b": OK" in openssl(*arguments, str(ready / file))
    name = "mq.example"
    file = str(ready / "setup/servers/rabbitmq/server.pem")
    assert b": OK" in openssl("verify", "-CAfile", ca, "-verify_hostname", name, file)


def test_a_server_at_an_address_has_it_in_its_certificate() -> None:
    ca = transport.make_ca("Example transport CA", NOW)
    made = transport.for_server(ca, "[2001:db8::1]", NOW)
    file = str(write(made.certificate.public_bytes(Encoding.PEM)))
    ca_file = str(write(ca.certificate.public_bytes(Encoding.PEM), "ca.pem"))
    at = str(int(NOW.timestamp()) + 60)
    arguments = ["verify", "-attime", at, "-CAfile", ca_file, "-verify_ip", "2001:db8::1"]
    assert b": OK" in openssl(*arguments, file)
    assert made.certificate.not_valid_after_utc - NOW <= timedelta(days=2 * 365)


def test_yours_leaves_the_certificates_to_you(tmp_path: Path) -> None:
    where = Servers("db.example:5432", "db.example:5432", "mq.example:5671", tls="yours")
    directory = made(tmp_path, where)
    assert list(directory.rglob("transport*")) == []
    assert "amqps://" in (directory / "web/settings.toml").read_text("utf-8")
    with pytest.raises(SettingsError, match=r"tls\.ca: there is no file .*transport-ca\.pem"):
        load_web(directory / "web")


def test_two_servers_of_postgresql_get_the_lines_of_their_own_side(tmp_path: Path) -> None:
    directory = made(tmp_path, Servers("one.example:5432", "two.example:5433", "mq.example:5671"))
    lines = (directory / "setup/servers/web-postgresql/pg_hba.conf").read_text("utf-8")
    assert "httpca_web_worker" in lines
    assert "signer" not in lines
    assert "@two.example:5433/httpca_signer" in load_signer(directory / "signer").database


def test_a_cluster_of_brokers_is_reached_at_every_node(tmp_path: Path) -> None:
    where = Servers("db.example:5432", "db.example:5432", "a.example:5671,b.example:5671")
    directory = made(tmp_path, where)
    assert load_web(directory / "web").broker.count("cacertfile=") == 2
    assert (directory / "setup/servers/rabbitmq/server-2.pem").is_file()


def test_passphrase_encrypts_the_transport_ca_s_key(tmp_path: Path) -> None:
    phrase = tmp_path / "phrase"
    phrase.write_text("a long one\n")
    directory = made(tmp_path, passphrase_file=phrase)
    key = directory / "setup/transport-ca.key"
    assert b"ENCRYPTED" in key.read_bytes()
    ca = transport.read_ca(key.with_suffix(".pem"), key, b"a long one")
    assert transport.for_account(ca, "somebody", NOW).certificate.issuer == ca.certificate.subject
    with pytest.raises(SettingsError, match="cannot be read"):
        transport.read_ca(key.with_suffix(".pem"), key, b"another")


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"rabbitmq": "mq.example"}, "--rabbitmq: 'mq.example' is not HOST:PORT"),
        ({"web_postgresql": "db.example:70000"}, "--web-postgresql"),
        ({"web_postgresql": "a@b:5432"}, "--web-postgresql"),
        ({"prefix": "Http-CA"}, "--prefix"),
        ({"prefix": 'x"; DROP'}, "--prefix"),
        ({"tls": "perhaps"}, "--tls"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(
    changed: dict[str, str], problem: str, tmp_path: Path
) -> None:
    fields = {
        "web_postgresql": "db.example:5432",
        "signer_postgresql": "db.example:5432",
        "rabbitmq": "mq.example:5671",
    }
    with pytest.raises(SettingsError, match=problem):
        made(tmp_path, Servers(**fields | changed))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_an_approver_whose_name_is_too_long_for_an_account_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="at most 47 characters"):
        made(tmp_path, approvers=("a" * 48,))


def test_urls_and_servers_exclude_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["setup", str(tmp_path / "ca"), "--postgresql", "db.example:5432"]
    assert main([*common, "--rabbitmq", "mq.example:5671", "--broker", "amqp://mq.example/"]) == 2
    assert main(common) == 2
    assert "belong together" in capsys.readouterr().err


def test_where_the_servers_are_is_read_back(ready: Path, tmp_path: Path) -> None:
    assert servers.load(ready / "setup/grants") == WHERE
    with pytest.raises(SettingsError, match="there is no such file"):
        servers.load(tmp_path)
    (tmp_path / servers.FILE).write_text("{")
    with pytest.raises(SettingsError, match="cannot be read"):
        servers.load(tmp_path)


def test_applying_says_what_is_wrong(ready: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(ready / "setup/grants")
    assert main(["grants", "apply", folder]) == 2
    assert "say which servers" in capsys.readouterr().err
    assert main(["grants", "apply", folder, "--rabbitmqctl", "/nowhere/rabbitmqctl"]) == 1
    assert "/nowhere/rabbitmqctl cannot be started" in capsys.readouterr().err
    assert main(["grants", "apply", folder, "--rabbitmqctl", "false"]) == 1
    assert "false refused" in capsys.readouterr().err
    assert (
        main(["grants", "apply", folder, "--postgresql", "postgresql://h/d?application_name=x"])
        == 1
    )
    assert "application_name" in capsys.readouterr().err


def test_rabbitmq_is_given_all_definitions_at_once_with_no_password(
    ready: Path, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    program = tmp_path / "rabbitmqctl"
    program.write_text(f'#!/bin/sh\necho "$@" > {seen}.words\ncat > {seen}\n')
    program.chmod(0o700)
    applied = apply.to_rabbitmq(ready / "setup/grants", str(program))
    given = json.loads(seen.read_bytes())
    assert applied == ["rabbitmq.json", "approver-alice.json", "approver-bob.json"]
    assert (tmp_path / "seen.words").read_text() == "import_definitions\n"
    assert [one["name"] for one in given["vhosts"]] == ["httpca"]
    assert len(given["users"]) == len(given["permissions"]) == 4
    assert {one["password_hash"] for one in given["users"]} == {""}


def test_an_approver_may_write_to_decide_and_nothing_else() -> None:
    mine = permissions(Role.APPROVER)
    assert (mine.configure, mine.write, mine.read) == ("^$", r"^(signer\.decide)$", "^$")


def test_owners_name_every_kind_of_account(ready: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert set(load_owner(ready / "owner/web").accounts) == set(web_grants.RIGHTS)
    assert set(load_owner(ready / "owner/signer").accounts) == set(signer_grants.RIGHTS)
    file = ready / "owner/web/settings.toml"
    text = file.read_text("utf-8")
    file.write_text(text.replace("worker = ", "working = "))
    try:
        assert main(["migrate", "--config", str(file.parent)]) == 1
    finally:
        file.write_text(text)
    assert "there are: http, worker, operator" in capsys.readouterr().err


def test_sqlite_has_no_owner(tmp_path: Path) -> None:
    text = 'role = "owner"\nside = "web"\ndatabase = "sqlite:///x.db"\n[accounts]\n'
    (tmp_path / "settings.toml").write_text(text)
    with pytest.raises(SettingsError, match="is not PostgreSQL"):
        load_owner(tmp_path)


def test_every_table_stands_in_every_account_s_rights() -> None:
    # A table of a later revision is not forgotten: say for each account what it may do with it.
    tables = {"web": web_tables.tables, "signer": signer_tables.tables}
    for side, rights in {"web": web_grants.RIGHTS, "signer": signer_grants.RIGHTS}.items():
        for kind, mine in rights.items():
            missing = set(tables[side]) - set(mine)
            assert not missing, f"pipeline/{side}/grants.py, {kind!r}: say rights on {missing}"


def test_next_steps_name_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = tmp_path / "ca"
    arguments = ["--postgresql", "db.example:5432", "--rabbitmq", "mq.example:5671"]
    assert main(["setup", str(directory), *arguments]) == 0
    said = capsys.readouterr().out
    assert f"httpca grants apply {directory}/setup/grants" in said
    assert f"httpca migrate --config {directory}/owner/signer" in said
    assert tomllib.loads((directory / "web/settings.toml").read_text("utf-8"))["tls"]


def test_another_approver_gets_an_account_which_replaces_what_their_settings_said(
    tmp_path: Path,
) -> None:
    directory = made(tmp_path, approvers=("alice",))
    carol = directory / "approvers/carol"
    carol.mkdir(mode=0o700)
    text = (directory / "approvers/alice/settings.toml").read_text("utf-8")
    plain = text.replace('"alice"', '"carol"').partition("\n[tls]\n")[0] + "\n"
    (carol / "settings.toml").write_text(plain)

    assert main(["grants", "approver", str(directory), "carol"]) == 0

    found = load_approver(carol)
    assert "://httpca_approver_carol:" in found.signer_database
    assert "carol%2Ftransport.pem" in found.broker
    certificate = x509.load_pem_x509_certificate((carol / "transport.pem").read_bytes())
    assert certificate.subject.rfc4514_string() == "CN=httpca_approver_carol"
    definitions = json.loads((directory / "setup/grants/approver-carol.json").read_bytes())
    assert [one["name"] for one in definitions["users"]] == ["httpca_approver_carol"]
    assert main(["grants", "approver", str(directory), "carol"]) == 0
    assert load_approver(carol).signer_database != found.signer_database


def test_an_approver_who_is_added_gets_an_account_and_not_another_s_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = made(tmp_path, approvers=("alice",))

    assert main(["setup", "add-approver", "carol", "--dir", str(directory)]) == 0

    assert f"httpca grants apply {directory}/setup/grants" in capsys.readouterr().out
    theirs = (directory / "approvers/carol/settings.toml").read_text("utf-8")
    assert (
        "://httpca_approver_carol:" in load_approver(directory / "approvers/carol").signer_database
    )
    assert "alice" not in theirs
    assert (directory / "setup/grants/approver-carol.sql").is_file()


def test_an_account_needs_an_approver_s_folder(
    ready: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["grants", "approver", str(ready), "nobody"]) == 1
    assert "no such approver's folder" in capsys.readouterr().err


def test_certificates_are_renewed_for_the_same_names(tmp_path: Path) -> None:
    directory = made(tmp_path, approvers=("alice",))
    before = {file: file.read_bytes() for file in directory.rglob("*.pem")}
    moved = directory / "signer-reader"
    for file in moved.iterdir():  # on another host by now
        file.unlink() if file.is_file() else file.rmdir()
    moved.rmdir()

    assert main(["grants", "renew", str(directory)]) == 0

    for file, octets in before.items():
        if file.parent == moved:
            assert not file.exists()
            continue
        renewed = file.read_bytes() != octets
        wanted = "ca" not in file.stem and file.stem.startswith(("transport", "server"))
        assert renewed == wanted, file
        if renewed:
            old, new = (
                x509.load_pem_x509_certificate(octets),
                x509.load_pem_x509_certificate(file.read_bytes()),
            )
            assert (old.subject, old.issuer) == (new.subject, new.issuer)
            key = load_pem_private_key(file.with_suffix(".key").read_bytes(), None)
            assert key.public_key() == new.public_key()
