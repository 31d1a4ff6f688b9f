"""``[tls]`` in settings: what it makes of URLs, and which URLs are warned about."""

from pathlib import Path

import pika
import pytest
from pika.credentials import ExternalCredentials, PlainCredentials
from structlog.testing import capture_logs

from pipeline.broker.publisher import connection_parameters
from pipeline.clock import now
from pipeline.errors import SettingsError
from pipeline.run.exposed import warn_of_exposed
from pipeline.setup.grants import transport
from settings.transport import Tls, protected_broker, protected_database, unprotected

DATABASE = "postgresql+psycopg://me:pw@db.example:5432/name"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tls")
    ca = transport.make_ca("Example", now())
    ca.write(made / "ca.pem", made / "ca.key")
    transport.for_account(ca, "me", now()).write(made / "me.pem", made / "me.key")
    return made


MINE = Tls(ca="ca.pem", certificate="me.pem", key="me.key")


def test_without_a_ca_nothing_changes(folder: Path) -> None:
    assert protected_database(DATABASE, Tls(), folder) == DATABASE
    assert protected_broker("amqp://mq.example/", Tls(), folder) == "amqp://mq.example/"


def test_sqlite_and_the_broker_in_memory_stay_as_they_are(folder: Path) -> None:
    assert protected_database("sqlite:///x.db", MINE, folder) == "sqlite:///x.db"
    assert protected_broker("memory:", MINE, folder) == "memory:"


def test_what_the_url_says_itself_comes_first(folder: Path) -> None:
    url = f"{DATABASE}?sslmode=require"
    assert protected_database(url, MINE, folder) == url
    broker = "amqps://mq.example/?cacertfile=/other.pem"
    assert protected_broker(broker, MINE, folder) == broker


def test_what_the_url_says_besides_is_kept(folder: Path) -> None:
    url = protected_database(f"{DATABASE}?application_name=x", MINE, folder)
    assert url.startswith(f"{DATABASE}?application_name=x&sslmode=verify-full&sslrootcert=")
    broker = protected_broker("amqps://mq.example/v?heartbeat=7", MINE, folder)
    (parameters,) = connection_parameters(broker)
    assert parameters.heartbeat == 7


@pytest.mark.parametrize(
    ("tls", "problem"),
    [
        (Tls(ca="no.pem"), r"tls\.ca: there is no file"),
        (Tls(ca="ca.pem", certificate="me.pem"), "both certificate and key"),
        (Tls(certificate="me.pem", key="me.key"), r"tls\.ca: is missing"),
    ],
)
def test_what_is_not_whole_is_refused(tls: Tls, problem: str, folder: Path) -> None:
    with pytest.raises(SettingsError, match=problem):
        protected_database(DATABASE, tls, folder)


def test_a_certificate_is_the_account_unless_the_url_has_one(folder: Path) -> None:
    (external,) = connection_parameters(protected_broker("amqps://mq.example/", MINE, folder))
    (by_password,) = connection_parameters(
        protected_broker("amqps://me:pw@mq.example/", MINE, folder)
    )
    assert isinstance(external.credentials, ExternalCredentials)
    assert isinstance(by_password.credentials, PlainCredentials)
    for parameters in (external, by_password):
        assert isinstance(parameters.ssl_options, pika.SSLOptions)
        assert parameters.ssl_options.server_hostname == "mq.example"
        assert parameters.ssl_options.context.check_hostname


def test_a_file_that_is_no_certificate_is_named(folder: Path) -> None:
    (folder / "odd.pem").write_text("nothing")
    broker = protected_broker("amqps://mq.example/", Tls(ca="odd.pem"), folder)
    with pytest.raises(SettingsError, match=r"odd\.pem.*cannot be used for TLS"):
        connection_parameters(broker)


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        (DATABASE, ["db.example"]),
        (f"{DATABASE}?sslmode=require", ["db.example"]),
        (f"{DATABASE}?sslmode=verify-full", []),
        ("postgresql+psycopg://me@localhost/x", []),
        ("postgresql+psycopg://me@[::1]:5432/x", []),
        ("postgresql+psycopg:///x?host=/run/postgresql", []),
        ("postgresql+psycopg:///x?host=db.example", ["db.example"]),
        ("sqlite:////x.db", []),
        ("amqp://mq.example/", ["mq.example"]),
        ("amqp://127.0.0.1/;amqp://b.example/;amqps://c.example/", ["b.example"]),
        ("amqp://127.1.2.3/", []),
        ("amqp://192.0.2.1/", ["192.0.2.1"]),
        ("memory:", []),
        ("", []),
    ],
)
def test_connections_to_other_hosts_without_tls_are_known(url: str, hosts: list[str]) -> None:
    assert unprotected(url) == hosts


def test_a_process_warns_of_them_at_its_start() -> None:
    with capture_logs() as logs:
        warn_of_exposed(DATABASE, "amqp://mq.example/")
        warn_of_exposed(f"{DATABASE}?sslmode=verify-full", "amqps://mq.example/")
    assert [(line["event"], line["to"], line["host"]) for line in logs] == [
        ("connection-without-tls", "database", "db.example"),
        ("connection-without-tls", "broker", "mq.example"),
    ]
    assert "pw" not in repr(logs)
