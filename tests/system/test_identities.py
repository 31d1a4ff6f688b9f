"""Message identities on real servers: no message CA, renewal without an outage, revocation."""

import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from pipeline.broker.publisher import open_publisher
from pipeline.clock import now
from pipeline.crypto import identity
from pipeline.crypto.envelope import Envelope
from pipeline.crypto.identity import Identity
from pipeline.messages import SubmissionBatch
from pipeline.stages import POLICY
from tests import factories
from tests.servers import PostgreSQL, RabbitMQ
from tests.system.installation import COMMANDS, Installation, done, environment, httpca

NOT_FOR_EVER = 120.0
"""Seconds; against hanging only."""


@pytest.fixture(scope="module")
def ours(rabbitmq: RabbitMQ, postgresql: PostgreSQL) -> Iterator[Installation]:
    """HttpCA of our own, started when its folder `setup` had been put away."""
    with tempfile.TemporaryDirectory(prefix="httpca-identities-") as folder:
        approvers = ("--approver", "approver", "--approver", "approver-2")
        made = Installation(Path(folder) / "httpca", rabbitmq, postgresql, approvers)
        (made.directory / "setup").rename(made.directory.with_name("locked-away"))
        try:
            made.start()
            yield made
        finally:
            made.remove()


@pytest.fixture(scope="module")
def client(ours: Installation) -> requests.Session:
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {ours.token('client')}"
    return session


@pytest.fixture
def unlocked(ours: Installation) -> Iterator[None]:
    """The folder `setup`, brought back for a while."""
    (ours.directory.with_name("locked-away")).rename(ours.directory / "setup")
    yield
    (ours.directory / "setup").rename(ours.directory.with_name("locked-away"))


def submit(ours: Installation, client: requests.Session, name: str) -> str:
    answer = client.post(
        f"{ours.url}/api/v1/requests",
        params={"profile": "server"},
        data=factories.csr(names=[f"DNS:{name}"]),
        headers={"Content-Type": "application/pkcs10"},
        timeout=60,
    )
    assert answer.status_code == 202, answer.text
    request_id: str = answer.json()["id"]
    return request_id


def wait(what: Callable[[], Any], ours: Installation) -> Any:
    deadline = time.monotonic() + NOT_FOR_EVER
    while not (found := what()):
        assert time.monotonic() < deadline, ours.log_text()
        time.sleep(0.1)
    return found


def reaches(ours: Installation, client: requests.Session, request: str, state: str) -> None:
    def is_there() -> bool:
        answer = client.get(f"{ours.url}/api/v1/requests/{request}", timeout=60)
        return bool(answer.json()["state"] == state)

    wait(is_there, ours)


def dead_letters(ours: Installation) -> dict[str, int]:
    queues = ours.rabbitmq.queues(ours.vhost)
    return {name: count for name, count in queues.items() if name.endswith(".XQ") and count}


def own(ours: Installation, who: str) -> Identity:
    folder = ours.directory / who
    return identity.load(folder / "message.pem", folder / "message.key")


def setup(ours: Installation, *arguments: str) -> Any:
    return json.loads(done(httpca("setup", *arguments, "--dir", ours.directory, "--json")))


def processes(ours: Installation) -> list[tuple[str, str]]:
    """Return every start and end of a process, as logged."""
    wanted = ("worker-started", "clock-started", "worker-stopped", "clock-stopped")
    return [(one["process"], one["event"]) for one in ours.logged() if one["event"] in wanted]


def test_without_the_message_ca_everything_goes_on(
    ours: Installation, client: requests.Session
) -> None:
    assert not (ours.directory / "setup").exists()
    signed, approved = (submit(ours, client, f"a.{zone}") for zone in ("test", "example.com"))
    reaches(ours, client, signed, "issued")
    reaches(ours, client, approved, "waiting_for_approval")
    ours.approve("accept", "--timeout", "60", approved)
    reaches(ours, client, approved, "issued")
    assert dead_letters(ours) == {}


def test_all_roles_are_renewed_without_an_outage(
    ours: Installation, client: requests.Session, unlocked: None
) -> None:
    before = processes(ours)
    renewed = {"web-worker", "web-clock", "signer-worker", "signer-clock"}
    asked: list[str] = []
    enough = threading.Event()

    def go_on_asking() -> None:
        while not enough.wait(0.1):
            asked.append(submit(ours, client, f"host-{len(asked)}.test"))

    load = threading.Thread(target=go_on_asking)
    load.start()
    try:
        said = [setup(ours, "renew", name) for name in ("web", "signer", "approver")]

        def have_taken_up() -> bool:
            events = [one for one in ours.logged() if one["event"] == "message-identity-renewed"]
            return {one["process"] for one in events} >= renewed

        wait(have_taken_up, ours)
        # Signed by the old one, while both are trusted: nothing is under way when it is put away.
        first = len(asked)
        wait(lambda: len(asked) >= first + 5, ours)
        reaches(ours, client, asked[first], "issued")
        for one in said:
            for file in one["old"]:
                Path(file).unlink()
        last = submit(ours, client, "after.example.com")
        reaches(ours, client, last, "waiting_for_approval")
        ours.approve("accept", "--timeout", "60", last)
        reaches(ours, client, last, "issued")
    finally:
        enough.set()
        load.join()
    for request in asked:
        reaches(ours, client, request, "issued")
    assert dead_letters(ours) == {}
    assert processes(ours) == before


def test_old_and_new_are_both_accepted_until_the_old_one_is_put_away(
    ours: Installation, client: requests.Session, unlocked: None
) -> None:
    old = own(ours, "web")
    said = setup(ours, "renew", "web")
    new = own(ours, "web")
    publisher = open_publisher(ours.broker)
    try:

        def send(me: Identity, number: int) -> None:
            message_id = f"0197b3a0-0000-7000-8000-{number:012}"
            octets = Envelope(me, None, now).seal(message_id, POLICY, SubmissionBatch())
            publisher.publish(POLICY.queue, octets)

        send(old, 1)
        send(new, 2)
        # What came after them is done, so they are: the queue is read in order.
        reaches(ours, client, submit(ours, client, "both.test"), "issued")
        assert dead_letters(ours) == {}

        for file in said["old"]:
            Path(file).unlink()
        time.sleep(3)  # the trust folder is looked at every two seconds
        send(old, 3)
        wait(lambda: dead_letters(ours) == {"signer.policy.XQ": 1}, ours)
        send(new, 4)
        reaches(ours, client, submit(ours, client, "new.test"), "issued")
        assert dead_letters(ours) == {"signer.policy.XQ": 1}
    finally:
        publisher.close()
    done(httpca("dead-letters", "drop", "--all", "--config", ours.directory / "signer"))


def test_a_revoked_approver_is_refused_by_a_running_signer(
    ours: Installation, client: requests.Session
) -> None:
    request = submit(ours, client, "late.example.com")
    reaches(ours, client, request, "waiting_for_approval")

    setup(ours, "revoke", "approver-2")
    time.sleep(3)
    tried = subprocess.run(
        [
            COMMANDS / "httpca",
            "approve",
            "--config",
            ours.directory / "approvers" / "approver-2",
            "accept",
            "--timeout",
            "2",
            request,
        ],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=NOT_FOR_EVER,
        check=False,
    )

    assert tried.returncode == 5, tried.stdout + tried.stderr

    def is_refused() -> bool:
        refused = [one for one in ours.logged() if one["event"] == "message-refused"]
        return bool(refused) and refused[-1]["reason"] == "certificate-revoked"

    wait(is_refused, ours)
    listed = done(
        httpca("requests", "decisions", "--by", "approver-2", "--config", ours.directory / "signer")
    )
    assert "approver-2 has decided nothing." in listed
    ours.approve("accept", "--timeout", "60", request)
    reaches(ours, client, request, "issued")
