"""The whole pipeline with the least accounts over TLS, and every way round that TLS refused."""

import shutil
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote, urlencode

import pika
import psycopg
import pytest
import requests
from pika.credentials import PlainCredentials

from pipeline.broker.limit import TROUBLE
from pipeline.broker.publisher import connection_parameters
from pipeline.clock import now
from pipeline.errors import SettingsError
from pipeline.setup.grants import transport
from settings.approver import ApproverSettings, load_approver
from settings.signer import SignerSettings, load_signer
from settings.web import WebSettings, load_web
from tests import factories
from tests.servers.ports import LOOPBACK, free_port
from tests.system.guarded import FOLDERS, Guarded
from tests.system.installation import done, httpca
from tests.system.tls_servers import postgresql, rabbitmq

NOT_FOR_EVER = 120.0
"""Seconds; against hanging only."""


@pytest.fixture(scope="module")
def guarded() -> Iterator[Guarded]:
    """HttpCA running on servers that were configured with the files that set-up has written."""
    ports = {"rabbitmq_port": free_port(), "postgresql_port": free_port()}
    with tempfile.TemporaryDirectory(prefix="httpca-tls-") as folder:
        made = Guarded(
            Path(folder) / "httpca",
            tls="made",
            rabbitmq_port=ports["rabbitmq_port"],
            postgresql_port=ports["postgresql_port"],
        )
        with (
            rabbitmq(made, ports["rabbitmq_port"]) as broker,
            postgresql(made, ports["postgresql_port"]) as database,
        ):
            made.apply(broker, database)
            try:
                made.start()
                yield made
            finally:
                made.remove()


def test_one_request_is_signed_at_once_and_one_after_approval(guarded: Guarded) -> None:
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {guarded.token('client')}"

    at_once = submit(guarded, session, "host.test")
    assert wait(guarded, session, at_once, "issued")["certificate"]

    approved = submit(guarded, session, "host.example.com")
    wait(guarded, session, approved, "waiting_for_approval")
    guarded.approve("accept", approved)
    assert wait(guarded, session, approved, "issued")["certificate"]

    problems = [line for line in guarded.logged() if line["level"] in ("error", "critical")]
    assert problems == []


def submit(guarded: Guarded, session: requests.Session, name: str) -> str:
    answer = session.post(
        f"{guarded.url}/api/v1/requests",
        data=factories.csr([f"DNS:{name}"]),
        params={"profile": "server"},
        headers={"Content-Type": "application/pkcs10"},
        timeout=30,
    )
    assert answer.status_code == 202, answer.text
    request: str = answer.json()["id"]
    return request


def wait(
    guarded: Guarded, session: requests.Session, request: str, state: str
) -> dict[str, str | None]:
    deadline = time.monotonic() + NOT_FOR_EVER
    while True:
        found = session.get(f"{guarded.url}/api/v1/requests/{request}", timeout=30).json()
        if found["state"] == state:
            return dict(found)
        assert time.monotonic() < deadline, guarded.log_text()
        time.sleep(0.1)


LOAD: dict[str, Callable[[Path], WebSettings | SignerSettings | ApproverSettings]] = {
    "web": load_web,
    "signer": load_signer,
    "approvers/approver": load_approver,
}
"""Whoever has something to do at the broker."""

COLUMNS = ("user", "ssl", "peer_cert_subject", "auth_mechanism")


def test_every_account_on_the_broker_is_a_certificate_and_has_no_password(guarded: Guarded) -> None:
    with ExitStack() as opened:
        for folder in LOAD:
            assert "@" not in guarded.settings(folder)["broker"]
            opened.callback(pika.BlockingConnection(parameters(guarded, folder)).close)
        listed = guarded.rabbitmq.ctl("list_connections", "--no-table-headers", *COLUMNS)
    users = set()
    for line in listed.splitlines():
        user, encrypted, name, mechanism = line.split("\t")
        assert (encrypted, mechanism) == ("true", "EXTERNAL")
        assert name == f"CN={user}"
        users.add(user.removeprefix(f"{guarded.prefix}_"))
    assert users == {"web_worker", "signer", "approver_approver"}


def parameters(guarded: Guarded, folder: str) -> pika.URLParameters:
    (found,) = connection_parameters(LOAD[folder](guarded.directory / folder).broker)
    return found


def presenting(
    guarded: Guarded, certificate: Path, *, believing: Path | None = None
) -> pika.URLParameters:
    """Return the web side's way to the broker, with another certificate; its key lies beside it."""
    ca = believing or guarded.directory / "web/transport-ca.pem"
    context = ssl.create_default_context(cafile=str(ca))
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    found = parameters(guarded, "web")
    found.ssl_options = pika.SSLOptions(context, LOOPBACK)
    return found


def test_the_broker_takes_no_connection_without_tls(guarded: Guarded) -> None:
    plain = parameters(guarded, "web")
    plain.ssl_options = None
    refused(plain)


def test_the_broker_takes_nobody_without_a_certificate(guarded: Guarded) -> None:
    context = ssl.create_default_context(cafile=str(guarded.directory / "web/transport-ca.pem"))
    bare = parameters(guarded, "web")
    bare.ssl_options = pika.SSLOptions(context, LOOPBACK)
    refused(bare)


def test_the_broker_takes_no_certificate_of_another_ca(guarded: Guarded, tmp_path: Path) -> None:
    name = f"{guarded.prefix}_signer"
    ours = transport.read_ca(
        guarded.directory / "setup/transport-ca.pem",
        guarded.directory / "setup/transport-ca.key",
        None,
    )
    transport.for_account(ours, name, now()).write(tmp_path / "ours.pem", tmp_path / "ours.key")
    pika.BlockingConnection(presenting(guarded, tmp_path / "ours.pem")).close()

    forged = transport.make_ca("HttpCA transport CA", now())
    transport.for_account(forged, name, now()).write(tmp_path / "c.pem", tmp_path / "c.key")
    refused(presenting(guarded, tmp_path / "c.pem"))


@pytest.mark.parametrize("folder", ["web-http", "web-operator", "owner/signer", "signer-reader"])
def test_the_broker_takes_no_certificate_whose_account_has_nothing_to_do_there(
    folder: str, guarded: Guarded
) -> None:
    pika.BlockingConnection(presenting(guarded, guarded.directory / "web/transport.pem")).close()
    refused(presenting(guarded, guarded.directory / folder / "transport.pem"))


@pytest.mark.parametrize("user", ["guest", "the signer"])
def test_the_broker_takes_no_password(user: str, guarded: Guarded) -> None:
    name = f"{guarded.prefix}_signer" if user == "the signer" else user
    for password in ("guest", ""):
        by_password = parameters(guarded, "web")
        by_password.credentials = PlainCredentials(name, password)
        refused(by_password)


def test_an_approver_s_certificate_publishes_decisions_and_nothing_else(guarded: Guarded) -> None:
    connection = pika.BlockingConnection(parameters(guarded, "approvers/approver"))
    try:
        channel = connection.channel()
        channel.confirm_delivery()
        with pytest.raises(pika.exceptions.ChannelClosedByBroker, match=r"signer\.policy"):
            channel.basic_publish("signer.policy", "signer.policy", b"not mine")
    finally:
        connection.close()


def test_nobody_who_cannot_prove_the_broker_s_name_gets_a_message(
    guarded: Guarded, tmp_path: Path
) -> None:
    elsewhere = parameters(guarded, "web")
    assert elsewhere.ssl_options is not None
    elsewhere.ssl_options.server_hostname = "another.example"
    refused(elsewhere)

    transport.make_ca("Another", now()).write(tmp_path / "ca.pem", tmp_path / "ca.key")
    mine = guarded.directory / "web/transport.pem"
    refused(presenting(guarded, mine, believing=tmp_path / "ca.pem"))


def refused(wanted: pika.URLParameters) -> None:
    with pytest.raises(TROUBLE):
        pika.BlockingConnection(wanted).close()


def options(guarded: Guarded, folder: str, **changed: str) -> str:
    """Return a URL of the folder's database account, with other options for the connection."""
    mine = guarded.directory / folder
    found = {
        "sslmode": "verify-full",
        "sslrootcert": str(mine / "transport-ca.pem"),
        "sslcert": str(mine / "transport.pem"),
        "sslkey": str(mine / "transport.key"),
    } | changed
    return f"{guarded.database_url(folder)}?{urlencode({k: v for k, v in found.items() if v})}"


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_account_gets_into_its_database_by_tls_and_in_no_other_way(
    folder: str, guarded: Guarded
) -> None:
    query = "SELECT ssl, client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    with psycopg.connect(options(guarded, folder)) as connection:
        assert connection.execute(query).fetchone() == (True, f"/CN={connection.info.user}")

    with pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf rejects connection"):
        psycopg.connect(guarded.database_url(folder) + "?sslmode=disable")
    with pytest.raises(psycopg.OperationalError, match="certificate"):
        psycopg.connect(options(guarded, folder, sslcert="/none", sslkey="/none"))
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(options(guarded, folder, password="wrong"))
    url, _, parameters_ = options(guarded, folder).partition("?")
    other = url.rpartition("/")[0] + "/postgres?" + parameters_
    with pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf rejects connection"):
        psycopg.connect(other)


def test_the_password_of_one_account_is_of_no_use_with_the_certificate_of_another(
    guarded: Guarded,
) -> None:
    web = guarded.directory / "web"
    stolen = {"sslcert": str(web / "transport.pem"), "sslkey": str(web / "transport.key")}
    with pytest.raises(psycopg.OperationalError, match="authentication failed for user"):
        psycopg.connect(options(guarded, "signer", **stolen))


def test_nobody_who_cannot_prove_the_database_s_name_gets_a_password(
    guarded: Guarded, tmp_path: Path
) -> None:
    transport.make_ca("Another", now()).write(tmp_path / "ca.pem", tmp_path / "ca.key")
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        psycopg.connect(options(guarded, "signer", sslrootcert=str(tmp_path / "ca.pem")))
    elsewhere = options(guarded, "signer").replace(f"@{LOOPBACK}:", "@another.example:")
    with pytest.raises(psycopg.OperationalError, match="does not match host name"):
        psycopg.connect(f"{elsewhere}&hostaddr={quote(LOOPBACK)}")


@pytest.mark.parametrize("side", ["web", "signer"])
def test_a_backup_takes_the_account_of_the_tables_owner(
    side: str, guarded: Guarded, tmp_path: Path
) -> None:
    command = ("backup", tmp_path / "side.tar", "--config", guarded.directory / side)
    refused = httpca(*command)
    assert refused.returncode == 1
    assert "takes the account that owns the tables" in refused.stderr

    owner, variable = guarded.directory / "owner" / side, f"HTTPCA_{side.upper()}"
    variables = {
        f"{variable}_DATABASE": guarded.settings(f"owner/{side}")["database"],
        f"{variable}_TLS_CERTIFICATE": str(owner / "transport.pem"),
        f"{variable}_TLS_KEY": str(owner / "transport.key"),
    }
    done(httpca(*command, **variables))
    assert "is whole" in done(httpca("restore", tmp_path / "side.tar", "--check"))


def test_a_process_says_which_file_is_missing(guarded: Guarded, tmp_path: Path) -> None:
    shutil.copytree(guarded.directory / "web", tmp_path / "web")
    (tmp_path / "web/transport.key").unlink()
    with pytest.raises(SettingsError, match=r"tls\.key: there is no file .*transport\.key"):
        load_web(tmp_path / "web")


def test_plain_amqp_is_refused_where_tls_is_set(guarded: Guarded, tmp_path: Path) -> None:
    shutil.copytree(guarded.directory / "web", tmp_path / "web")
    file = tmp_path / "web/settings.toml"
    file.write_text(file.read_text("utf-8").replace("amqps://", "amqp://"))
    with pytest.raises(SettingsError, match="write amqps://"):
        load_web(tmp_path / "web")
