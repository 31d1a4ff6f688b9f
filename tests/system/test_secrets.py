"""A whole run, failures included, and no secret in any place but its own.

Each secret and each CSR that was in play is looked for in all logs, answers, process listings,
both databases, the broker's messages and all files. CSRs may be in databases and messages.
"""

import base64
import contextlib
import secrets
import shutil
import subprocess
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pika
import psycopg
import pytest
import requests

from pipeline.broker.publisher import open_publisher
from pipeline.crypto import identity
from pipeline.messages import WakeUp
from pipeline.stages import RELAY
from pipeline.web.form import pem_of
from tests import factories
from tests.attacks.forge import seal
from tests.attacks.ground import new_id
from tests.servers import PostgreSQL, RabbitMQ
from tests.system import leaks
from tests.system.guarded import Guarded
from tests.system.installation import COMMANDS, ROOT, done, environment, httpca
from tests.system.leaks import Place, Secret

NOT_FOR_EVER = 120.0
"""Seconds; against hanging only."""

WRONG = "a wrong passphrase " + secrets.token_hex(8)
PASSPHRASE = "the right passphrase " + secrets.token_hex(8)


@dataclass
class Run:
    """What was in play, and where to look."""

    installation: Guarded
    temporary: Path
    answers: list[bytes] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    secrets: list[Secret] = field(default_factory=list)
    csrs: list[Secret] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    ends: dict[str, str] = field(default_factory=dict)
    events: set[str] = field(default_factory=set)

    def ask(self, method: str, path: str, *, token: str = "", **further: Any) -> requests.Response:
        """Ask by HTTP and keep the answer."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = requests.request(
            method, f"{self.installation.url}{path}", headers=headers, timeout=60, **further
        )
        self.answers.append(f"{answer.headers}\n".encode() + answer.content)
        return answer

    def csr(self, name: str) -> bytes:
        """Return a CSR that must not be seen."""
        made = factories.csr(names=[f"DNS:{name}"])
        self.csrs.append(leaks.of_csr(f"CSR of {name}", made))
        return made

    def submit(self, token: str, name: str, **further: Any) -> requests.Response:
        body = {"csr": pem_of(self.csr(name)), "profile": "server", **further}
        return self.ask("POST", "/api/v1/requests", token=token, json=body)

    def command(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command and keep what it says."""
        completed = httpca(*arguments)
        self.outputs += [completed.stdout, completed.stderr]
        return completed

    def ends_as(self, request_id: str, token: str) -> str:
        """Wait until the request is final or waits for approval."""
        state = ""

        def reached() -> bool:
            nonlocal state
            answer = self.ask("GET", f"/api/v1/requests/{request_id}", token=token)
            state = answer.json().get("state", "")
            return state in {"issued", "rejected", "failed", "waiting_for_approval"}

        wait_until(reached)
        return state


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + NOT_FOR_EVER
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


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


def know(run: Run) -> None:
    """Collect the secrets of the set-up."""
    directory, found = run.installation.directory, run.secrets
    found += [leaks.of_text("passphrase", PASSPHRASE), leaks.of_text("wrong passphrase", WRONG)]
    for file in sorted(directory.rglob("*.key")):
        name = f"key {file.relative_to(directory)}"
        found.append(leaks.of_key(name, file.read_bytes(), PASSPHRASE.encode()))
    for file in sorted(directory.rglob("settings.toml")):
        settings = tomllib.loads(file.read_text("utf-8"))
        where = file.parent.relative_to(directory)
        for key in ("database", "broker", "signer_database"):
            password = urlsplit(settings.get(key, "")).password
            if password:
                found.append(leaks.of_text(f"{key} password {where}", unquote(password)))
        if settings.get("secret"):
            found.append(leaks.of_text(f"session key {where}", settings["secret"]))
    for file in directory.rglob("web.secret"):
        found.append(leaks.of_text("session key", file.read_text("ascii").strip()))
    kinds = {secret.name.split()[0] for secret in found}
    assert {"key", "passphrase", "database", "broker", "session"} <= kinds


def happen(run: Run) -> None:
    """Live through a day: what goes well, and what does not."""
    token = run.installation.token("builds")
    run.secrets.append(leaks.of_text("token", token))
    signed = run.submit(token, "www.test", comment="by night").json()["id"]
    waits = run.submit(token, "www.example.com").json()["id"]
    run.ends["signed"] = run.ends_as(signed, token)
    run.ends["waits"] = run.ends_as(waits, token)
    done(
        run.command(
            "approve",
            "accept",
            waits,
            "--config",
            run.installation.directory / "approvers" / "approver",
        )
    )
    wait_until(lambda: run.ends_as(waits, token) == "issued")
    requesters_faults(run, token)
    messages_are_refused(run)
    programs_fail(run, token)
    passphrases_are_wrong(run)
    databases_are_down(run, token)


def requesters_faults(run: Run, token: str) -> None:
    """Send what requesters send by mistake: wrong tokens, private keys, spoilt CSRs."""
    wrong = "httpca_" + secrets.token_urlsafe(32)
    key = factories.openssl("genpkey", "-algorithm", "ed25519")
    run.secrets += [leaks.of_text("wrong token", wrong), leaks.of_key("requester's key", key)]
    assert run.submit(wrong, "wrong.test").status_code == 401
    sent = {"csr": key.decode(), "profile": "server"}
    assert run.ask("POST", "/api/v1/requests", token=token, json=sent).status_code == 400
    spoilt = bytearray(run.csr("spoilt.test"))
    spoilt[-5] ^= 1
    sent["csr"] = pem_of(bytes(spoilt))
    assert run.ask("POST", "/api/v1/requests", token=token, json=sent).status_code == 422
    both = {"requests": [sent, {"csr": key.decode() * 2, "profile": "server"}]}
    assert run.ask("POST", "/api/v1/batches", token=token, json=both).status_code == 202
    address = f"/api/v1/requests?cursor={token}&state={token}"
    assert run.ask("GET", address, token=wrong).status_code == 401
    with requests.Session() as browser:
        page = browser.get(f"{run.installation.url}/sign-in", timeout=60).text
        csrf = page.partition('name="csrf_token" value="')[2].partition('"')[0]
        fields = {"csrf_token": csrf, "token": token, "next": "/requests"}
        answer = browser.post(f"{run.installation.url}/sign-in", data=fields, timeout=60)
        assert answer.status_code == 200
        run.answers += [str(answer.headers).encode(), answer.content]


def messages_are_refused(run: Run) -> None:
    """Send messages that the gate refuses, with a CSR in one."""
    folder = run.installation.directory / "web"
    me = identity.load(folder / "message.pem", folder / "message.key")
    publisher = open_publisher(run.installation.settings("web")["broker"])
    good = seal(me, RELAY, new_id(), WakeUp(), datetime.now(UTC))  # noqa: TID251
    for octets in (b"rubbish", good[:-4] + b"AAAA", run.csr("refused.test")):
        publisher.publish("web.relay", octets)
    publisher.close()
    wait_until(
        lambda: run.installation.rabbitmq.queues(run.installation.vhost)["web.relay.XQ"] == 3
    )
    for verb in ("list", "show"):
        run.command("dead-letters", verb, "--config", folder)


def programs_fail(run: Run, token: str) -> None:
    """Take a table away from each side, so that what works on it raises in the middle."""
    with renamed(run, "web", "submissions"):
        assert run.submit(token, "defect.test").status_code == 500
        assert run.ask("GET", f"/api/v1/requests/{new_id()}", token=token).status_code == 500
    with renamed(run, "signer", "tbs"):
        failing = run.submit(token, "failing.test").json()["id"]
        wait_until(lambda: "tbs" in run.installation.log.read_text("utf-8", "replace"))
    wait_until(lambda: run.ends_as(failing, token) in ("issued", "failed"))


@contextlib.contextmanager
def renamed(run: Run, side: str, table: str) -> Iterator[None]:
    """Let a table be away."""
    url = admin(run, side)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'ALTER TABLE "{table}" RENAME TO "{table}_away"')
        yield
        connection.execute(f'ALTER TABLE "{table}_away" RENAME TO "{table}"')


def admin(run: Run, side: str) -> str:
    """Return the superuser's way to a side's database."""
    url = run.installation.postgresql.url(run.installation.databases[side])
    return url.replace("postgresql+psycopg:", "postgresql:", 1)


def passphrases_are_wrong(run: Run) -> None:
    """Start a signer whose passphrase is wrong, and a worker whose database is not there."""
    file = run.temporary.parent / "wrong"
    file.write_text(WRONG + "\n")
    file.chmod(0o600)
    config = run.installation.directory / "signer"
    wrong = environment(HTTPCA_SIGNER_PASSPHRASE_FILE=str(file))
    completed = subprocess.run(
        [COMMANDS / "httpca", "run", "signer-worker", "--config", config],
        env=wrong,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=NOT_FOR_EVER,
        check=False,
    )
    assert completed.returncode == 1
    run.outputs += [completed.stdout, completed.stderr]
    file.unlink()
    broken = run.temporary.parent / "broken"
    shutil.copytree(run.installation.directory / "web-operator", broken)
    settings = broken / "settings.toml"
    port = run.installation.postgresql.port
    settings.write_text(settings.read_text().replace(f":{port}/", ":1/"))
    assert run.command("token", "list", "--config", broken).returncode == 1
    settings.write_text(settings.read_text() + "\nunknown = 1\n")
    assert run.command("token", "list", "--config", broken).returncode != 0
    shutil.rmtree(broken)


def databases_are_down(run: Run, token: str) -> None:
    """Take both databases away for a while, with requests under way."""
    names = list(run.installation.databases.values())
    last = run.submit(token, "last.test").json()["id"]
    with psycopg.connect(
        run.installation.postgresql.url().replace("+psycopg", ""), autocommit=True
    ) as connection:
        for name in names:
            connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ANY(%s)",
            [names],
        )
        wait_until(lambda: run.submit(token, "down.test").status_code == 503)
        for name in names:
            connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    wait_until(lambda: run.ask("GET", "/readyz").status_code == 200)
    run.ends["last"] = run.ends_as(last, token)


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
    for place in run.places:
        if place.name.startswith("folder/") and place.finds(run.secrets):
            file = folder / place.name.removeprefix("folder/")
            assert file.stat().st_mode & 0o077 == 0, place.name


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
