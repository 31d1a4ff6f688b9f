"""A day in the life of an installation: what goes well, and all that goes wrong.

What was in play, what it was answered and what came of it is kept, so that one may look for it after.
"""

import contextlib
import secrets
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
import requests

from pipeline.broker.publisher import open_publisher
from pipeline.crypto import identity
from pipeline.messages import WakeUp
from pipeline.stages import RELAY
from pipeline.web.form import pem_of
from tests import factories
from tests.attacks.forge import seal
from tests.attacks.ground import new_id
from tests.system import leaks
from tests.system.guarded import Guarded
from tests.system.installation import COMMANDS, ROOT, done, environment, httpca
from tests.system.leaks import Place, Secret
from tests.waiting import wait_until

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
