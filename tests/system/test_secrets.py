"""A whole run, failures included, and no secret in any place but its own.

Each secret and each CSR that was in play is looked for in all logs, answers, process listings,
both databases, the broker's messages and all files. CSRs may be in databases and messages.
"""

import base64
import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pika
import psycopg
import pytest

from pipeline.broker.publisher import open_publisher
from tests.servers import PostgreSQL, RabbitMQ
from tests.system import leaks
from tests.system.eventful_day import PASSPHRASE, Run, admin, happen, know
from tests.system.guarded import Guarded
from tests.system.leaks import Place
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def run(rabbitmq: RabbitMQ, postgresql: PostgreSQL) -> Iterator[Run]:
    """Let everything happen, and look everywhere while the processes still run."""
    with (
        tempfile.TemporaryDirectory(prefix="httpca-secrets-") as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        temporary = Path(folder, "tmp")
        temporary.mkdir()
        patch.setenv("TMPDIR", str(temporary))
        passphrase = Path(folder, "passphrase")
        passphrase.write_text(PASSPHRASE + "\n")
        passphrase.chmod(0o600)
        made = Guarded(
            Path(folder) / "httpca",
            rabbitmq_port=rabbitmq.port,
            postgresql_port=postgresql.port,
            tls="none",
            setup_options=("--passphrase-file", str(passphrase)),
        )
        made.apply(rabbitmq, postgresql)
        told = Run(made, temporary)
        try:
            made.start()
            know(told)
            happen(told)
            told.places = look(told)
            told.events = {str(line["event"]) for line in made.logged()}
            yield told
        finally:
            made.remove()


def look(run: Run) -> list[Place]:
    """Look everywhere, now."""
    here = run.installation
    places = [
        Place("log of our processes", here.log.read_bytes()),
        Place("log of RabbitMQ", here.rabbitmq.log_text().encode()),
        Place("answers", b"\n".join(run.answers)),
        Place("what commands say", "\n".join(run.outputs).encode()),
        *leaks.files(here.directory, "folder"),
        *leaks.files(run.temporary, "temporary files"),
        *leaks.processes(here.pids),
        *messages(run),
    ]
    for side in here.databases:
        places += leaks.database(admin(run, side), side)
    return places


def messages(run: Run) -> list[Place]:
    """Return what lies in every queue, and leave it there."""
    here, found = run.installation, []
    here.rabbitmq.set_permissions(RabbitMQ.user, here.vhost)  # nobody else may read all queues
    url = here.rabbitmq.url(vhost=here.vhost)
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        for queue, count in here.rabbitmq.queues(here.vhost).items():
            for _ in range(count):
                _, properties, octets = channel.basic_get(queue)
                if octets is not None:
                    whole = octets + b"\n" + leaks.decoded(octets) + repr(properties).encode()
                    found.append(Place(f"message in {queue}", whole))
    return found


def own_place(place: str, secret: str) -> bool:
    """Return whether a secret is where it belongs."""
    if not place.startswith("folder/"):
        return False
    file = place.removeprefix("folder/")
    if secret.startswith("key "):
        return file.endswith(".key")
    if "password" in secret or secret.startswith("session key"):
        return file.endswith(("settings.toml", "web.secret")) or file.startswith("setup/")
    return False


def test_what_was_to_happen_has_happened(run: Run) -> None:
    assert run.ends == {"signed": "issued", "waits": "waiting_for_approval", "last": "issued"}
    assert {"submitted", "refused", "unexpected-error", "database-unavailable"} <= run.events
    names = " ".join(place.name for place in run.places)
    for expected in ("message in web.relay.XQ", "process environ", "signer table", "web table"):
        assert expected in names


def test_no_secret_is_in_any_place_but_its_own(run: Run) -> None:
    found = {pair for place in run.places for pair in place.finds(run.secrets)}
    assert {pair for pair in found if not own_place(*pair)} == set()
    assert {secret for _, secret in found} >= {
        one.name for one in run.secrets if "key " in one.name[:4]
    }


def test_every_file_with_a_secret_is_its_owners_alone(run: Run) -> None:
    folder = run.installation.directory
    files = [
        folder / place.name.removeprefix("folder/")
        for place in run.places
        if place.name.startswith("folder/") and place.finds(run.secrets)
    ]
    assert {file.name for file in files} >= {"settings.toml", "message.key", "issuing.key"}
    assert [file for file in files if file.stat().st_mode & 0o077] == []


def test_no_csr_is_anywhere_but_in_databases_and_messages(run: Run) -> None:
    found = {pair for place in run.places for pair in place.finds(run.csrs)}
    allowed = {pair for pair in found if " table " in pair[0] or pair[0].startswith("message in ")}
    assert found - allowed == set()
    assert {pair[0] for pair in allowed} >= {"web table submissions", "message in web.relay.XQ"}


def test_the_search_finds_a_secret_in_each_place(run: Run) -> None:
    text = secrets.token_hex(16)
    planted = leaks.of_text("planted", text)
    here = run.installation
    with here.log.open("a") as log:
        log.write(f"planted {text}\n")
    run.answers.append(text.encode())
    run.outputs.append(text)
    (here.directory / "web" / "planted").write_text(text)
    (run.temporary / "planted").write_bytes(text.encode())
    for side, table in (("web", "audit"), ("signer", "audit")):
        with psycopg.connect(admin(run, side)) as connection:
            connection.execute(
                f"INSERT INTO {table} (at, event, details) VALUES (now(), %s, '{{}}')", [text]
            )
    publisher = open_publisher(run.installation.settings("web")["broker"])
    publisher.publish("web.relay", text.encode())
    publisher.close()
    wait_until(lambda: here.rabbitmq.queues(here.vhost)["web.relay.XQ"] == 4)
    child = subprocess.Popen(["/bin/sleep", "600"], env={"PLANTED": text}, executable="/bin/sleep")
    other = subprocess.Popen(["/bin/sh", "-c", "read -r _", text], stdin=subprocess.PIPE)
    try:
        places = [*look(run), *leaks.processes([child.pid, other.pid])]
    finally:
        for process in (child, other):
            process.kill()
            process.communicate()
    found = {name for place in places for name, _ in place.finds([planted])}
    assert {
        " ".join(name.split()[:2]) if name.startswith("process") else name for name in found
    } == {
        "log of our processes",
        "answers",
        "what commands say",
        "folder/web/planted",
        "temporary files/planted",
        "web table audit",
        "signer table audit",
        "message in web.relay.XQ",
        "process environ",
        "process cmdline",
    }


@pytest.mark.parametrize("offset", range(3))
def test_every_form_of_a_secret_is_recognised(offset: int) -> None:
    octets = secrets.token_bytes(32)
    secret = leaks.of_octets("it", octets)
    around = secrets.token_bytes(offset) + octets + secrets.token_bytes(7)
    for written in (
        around,
        around.hex().encode(),
        around.hex().upper().encode(),
        base64.b64encode(around),
        base64.urlsafe_b64encode(around),
        repr(around).encode(),
        leaks.decoded(base64.urlsafe_b64encode(b"x" * 3 * offset + octets + bytes(1))),
    ):
        assert secret.is_in(written)
        assert not secret.is_in(written[::-1])
