"""The certificates by which accounts and servers know each other: for whom, for what, how long."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pipeline.cli import main
from pipeline.errors import SettingsError
from pipeline.setup.grants import transport
from pipeline.setup.grants.servers import Servers, TlsChoice
from settings.web import load_web
from tests.factories import NOW, openssl, write
from tests.unit.setup.grants.made import WHERE, made


def test_a_loaded_broker_has_its_files_for_tls_and_no_password(ready: Path) -> None:
    broker = load_web(ready / "web").broker
    assert broker.startswith("amqps://mq.example:5671/httpca?cacertfile=")
    assert "%2Fweb%2Ftransport.key" in broker


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


@pytest.mark.parametrize("tls", ["none", "yours"])
def test_where_none_were_made_none_are_renewed(
    tls: TlsChoice, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = made(tmp_path, replace(WHERE, tls=tls))
    assert main(["grants", "renew", str(directory)]) == 1
    assert f"no certificates for TLS (--tls {tls})" in capsys.readouterr().err
