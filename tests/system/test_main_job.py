"""The main job on real servers, with the processes of the Procfile."""

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import psycopg
import pytest
import requests
from cryptography import x509

from tests import factories
from tests.system.installation import ROOT, Installation

EACH = 100
"""Requests of each of the three kinds."""

CLIENTS = 8

NOT_FOR_EVER = 120.0
"""Seconds; against hanging only."""

KINDS = {"signed": "test", "approved": "example.com", "rejected": "invalid"}
ENDS = {"signed": "issued", "approved": "issued", "rejected": "rejected"}


@dataclass
class Story:
    """What came of the requests, by kind."""

    token: str
    ids: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    ends: dict[str, dict[str, Any]] = field(default_factory=dict)
    overheard: dict[str, Any] = field(default_factory=dict)


@pytest.fixture(scope="module")
def story(installation: Installation) -> Story:
    """Submit 300 requests from several clients at once, approve what waits, wait for all ends."""
    told = Story(installation.token("clients"))
    with eavesdropper(installation) as spy:
        _submit_all(installation, told)
        _approve_all(installation, told)
        _wait_for_all(installation, told)
        overheard, _ = spy.communicate(timeout=NOT_FOR_EVER)
    told.overheard = json.loads(overheard.splitlines()[-1])
    return told


def test_every_request_ends_as_its_kind_does(story: Story) -> None:
    ends = {
        kind: Counter(story.ends[request]["state"] for request in ids)
        for kind, ids in story.ids.items()
    }
    assert ends == {kind: Counter({ENDS[kind]: EACH}) for kind in KINDS}


def test_both_databases_agree(installation: Installation, story: Story) -> None:
    query = """
        SELECT r.id::text, r.state, r.revision, r.reason, c.certificate
        FROM requests r LEFT JOIN certificates c ON c.request_id = r.id ORDER BY r.id
    """
    web, signer = (_rows(installation, side, query) for side in ("web", "signer"))
    ours = {request for ids in story.ids.values() for request in ids}
    assert len(ours) == 3 * EACH
    assert [row for row in web if row[0] in ours] == [row for row in signer if row[0] in ours]


def test_every_serial_is_unique_and_every_certificate_is_for_what_was_asked(story: Story) -> None:
    serials = set()
    for kind in ("signed", "approved"):
        for number, request in enumerate(story.ids[kind]):
            found = story.ends[request]
            certificate = x509.load_pem_x509_certificate(found["certificate"].encode())
            serials.add(certificate.serial_number)
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
            assert names.value.get_values_for_type(x509.DNSName) == [f"host-{number}.{KINDS[kind]}"]
    assert len(serials) == 2 * EACH


def test_every_state_change_is_audited(installation: Installation, story: Story) -> None:
    query = """
        SELECT request_id::text, count(*) FROM audit
        WHERE event = 'state-changed' GROUP BY request_id
    """
    entries = {row[0]: row[1] for row in _rows(installation, "signer", query)}
    expected = {"signed": 2, "approved": 3, "rejected": 1}
    for kind, ids in story.ids.items():
        assert {entries[request] for request in ids} == {expected[kind]}


def test_an_eavesdropper_can_verify_every_message(story: Story) -> None:
    assert story.overheard["problems"] == []
    verified = set(story.overheard["verified"])
    always = {
        "urn:httpca:role:web -> web.relay",
        "urn:httpca:role:web -> signer.policy",
        "urn:httpca:approver:approver -> signer.decide",
        "urn:httpca:role:signer -> web.deliver",
    }
    # Those of a worker to itself take the shortcut when it has nothing else in hand.
    within = {"urn:httpca:role:signer -> signer.sign", "urn:httpca:role:signer -> signer.transmit"}
    assert always <= verified <= always | within
    assert story.overheard["verified"]["urn:httpca:approver:approver -> signer.decide"] >= EACH


def test_nothing_was_dead_lettered(installation: Installation, story: Story) -> None:
    queues = installation.rabbitmq.queues(installation.vhost)
    assert {name: count for name, count in queues.items() if name.endswith(".XQ") and count} == {}


def test_all_signer_workers_took_part(installation: Installation, story: Story) -> None:
    lines = installation.log.read_text("utf-8").splitlines()
    workers = {line.split()[1] for line in lines if '"event":"issued"' in line}
    assert workers == {"signer-worker.1", "signer-worker.2", "signer-worker.3"}


def test_no_csr_and_no_token_is_in_the_logs(installation: Installation, story: Story) -> None:
    log = installation.log.read_text("utf-8")
    assert story.token not in log
    assert "CERTIFICATE REQUEST" not in log
    assert not any(line.get("level") in ("error", "critical") for line in installation.logged())


def test_two_approvers_at_once_get_a_defined_result(installation: Installation) -> None:
    session = _session(installation.token("undecided"))
    outcomes = Counter[tuple[int, int]]()
    for number in range(5):
        request = _submit(installation, session, f"both-{number}.example.com")
        _wait(installation, session, request, lambda r: r["state"] == "waiting_for_approval")
        both = [
            _approver(installation, "approver", "accept", request),
            _approver(installation, "approver-2", "reject", request, "--reason", "Not ours."),
        ]
        codes = tuple(one.wait(NOT_FOR_EVER) for one in both)
        state = _wait(installation, session, request, lambda r: r["state"] in ENDS.values())
        assert codes == ((0, 4) if state["state"] == "issued" else (4, 0)), codes
        outcomes[codes] += 1
    assert sum(outcomes.values()) == 5


@contextmanager
def eavesdropper(installation: Installation) -> Iterator["subprocess.Popen[str]"]:
    """Run the eavesdropper; it ends with a summary when its standard input is closed."""
    folders = [installation.directory / side / "trusted" for side in ("web", "signer")]
    with subprocess.Popen(
        [sys.executable, ROOT / "tests/system/eavesdropper.py", installation.broker, *folders],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as spy:
        try:
            assert spy.stdout is not None
            assert spy.stdout.readline() == "listening\n"
            yield spy
        finally:
            spy.kill()


def _session(token: str) -> requests.Session:
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    return session


def _submit(installation: Installation, session: requests.Session, name: str) -> str:
    answer = session.post(
        f"{installation.url}/api/v1/requests",
        params={"profile": "server"},
        data=factories.csr(names=[f"DNS:{name}"]),
        headers={"Content-Type": "application/pkcs10"},
        timeout=60,
    )
    assert answer.status_code == 202, answer.text
    request_id: str = answer.json()["id"]
    return request_id


def _submit_all(installation: Installation, told: Story) -> None:
    local = threading.local()

    def one(work: tuple[str, int]) -> tuple[str, int, str]:
        if not hasattr(local, "session"):
            local.session = _session(told.token)
        kind, number = work
        name = f"host-{number}.{KINDS[kind]}"
        return kind, number, _submit(installation, local.session, name)

    with ThreadPoolExecutor(CLIENTS) as clients:
        submitted = list(clients.map(one, [(k, n) for n in range(EACH) for k in KINDS]))
    for kind, _, request in sorted(submitted, key=lambda s: (s[0], s[1])):
        told.ids[kind].append(request)


def _approve_all(installation: Installation, told: Story) -> None:
    waiting = set(told.ids["approved"])
    session = _session(told.token)
    for request in waiting:
        _wait(installation, session, request, lambda r: r["state"] == "waiting_for_approval")
    listed = {one["id"] for one in installation.approve("list")["requests"]}
    assert waiting <= listed
    installation.approve("accept", "--timeout", "60", *sorted(waiting))


def _wait_for_all(installation: Installation, told: Story) -> None:
    session = _session(told.token)
    for kind, ids in told.ids.items():
        for request in ids:
            told.ends[request] = _wait(
                installation, session, request, partial(_has_ended, ENDS[kind])
            )


def _has_ended(end: str, request: dict[str, Any]) -> bool:
    return bool(request["state"] == end)


def _wait(
    installation: Installation,
    session: requests.Session,
    request: str,
    wanted: Callable[[dict[str, Any]], bool],
) -> dict[str, Any]:
    deadline = time.monotonic() + NOT_FOR_EVER
    while True:
        answer = session.get(f"{installation.url}/api/v1/requests/{request}", timeout=60)
        found: dict[str, Any] = answer.json()
        if wanted(found):
            return found
        assert time.monotonic() < deadline, (found, installation.log_text())
        time.sleep(0.05)


def _approver(installation: Installation, name: str, *arguments: str) -> "subprocess.Popen[bytes]":
    from tests.system.installation import COMMANDS, environment

    config = installation.directory / "approvers" / name
    return subprocess.Popen(
        [COMMANDS / "httpca", "approve", "--config", config, *arguments],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _rows(installation: Installation, side: str, query: str) -> list[Any]:
    url = installation.database_urls[side].replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()
