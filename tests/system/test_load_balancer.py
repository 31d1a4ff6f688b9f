"""Two processes `web` behind HAProxy, round robin, without sticky sessions; one is killed meanwhile."""

import html
import re
import signal
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import pytest
import requests

from tests import factories
from tests.chaos import run
from tests.chaos.approver import Approver
from tests.chaos.crew import Crew
from tests.chaos.ground import QUICK, Ground
from tests.servers.haproxy import SERVED_BY, HAProxy
from tests.waiting import wait_until

NUMBERS: Final = {"web": 2, "web-worker": 1, "web-clock": 1, "signer-worker": 1, "signer-clock": 1}

NOT_FOR_EVER: Final = 120.0
"""Seconds; against hanging only."""

POLLS: Final = 4
SUBMISSIONS: Final = 60
KILLED_AT: Final = 20

BOTH: Final = {"web1", "web2"}


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    with Ground({**QUICK, "HTTPCA_WEB_HTTP_TRUSTED_PROXIES": "1"}) as made:
        yield made


@pytest.fixture(scope="module")
def crew(ground: Ground) -> Iterator[Crew]:
    with ground.crew(NUMBERS) as made:
        run.wait_until_up(ground)
        yield made


@pytest.fixture(scope="module")
def proxy(ground: Ground, crew: Crew) -> Iterator[HAProxy]:
    made = HAProxy([url.removeprefix("http://") for url in ground.urls], certificate())
    with made:
        yield made


def certificate() -> bytes:
    """Return a key and a certificate for localhost, signed by itself."""
    words = (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    )
    names = ("-addext", "subjectAltName=DNS:localhost", "-keyout", "-", "-out", "-")
    return factories.openssl(*words.split(), *names)


class Client:
    """A client of the proxy, who notes which process answered."""

    def __init__(self, proxy: HAProxy, folder: Path, token: str | None = None) -> None:
        trusted = folder / "proxy.pem"
        trusted.write_bytes(proxy.certificate)
        self.url = proxy.url
        self.served_by: Counter[str] = Counter()
        self.session = requests.Session()
        self.session.trust_env = False  # an environment's CA bundle would go before ours
        self.session.verify = str(trusted)
        if token is not None:
            self.session.headers["Authorization"] = f"Bearer {token}"

    def call(self, method: str, path: str, **more: Any) -> requests.Response:
        answer = self.session.request(
            method, self.url + path, timeout=60, allow_redirects=False, **more
        )
        self.served_by[answer.headers.get(SERVED_BY, "")] += 1
        return answer

    def insist(self, method: str, path: str, wanted: int, **more: Any) -> requests.Response:
        """Ask again while a process is away that had our question."""
        deadline = time.monotonic() + NOT_FOR_EVER
        while True:
            try:
                answer = self.call(method, path, **more)
            except requests.ConnectionError:
                assert time.monotonic() < deadline
            else:
                if answer.status_code == wanted:
                    return answer
                assert answer.status_code in AWAY, answer.text
                assert time.monotonic() < deadline
            time.sleep(0.2)


AWAY: Final = {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}


@pytest.fixture(scope="module")
def token(ground: Ground, crew: Crew) -> str:
    return ground.token("requester")


def hidden(page: str) -> dict[str, str]:
    """Return the hidden fields of the forms of a page."""
    fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
    assert "csrf_token" in dict(fields), page
    return {name: html.unescape(value) for name, value in fields}


def test_a_visitor_signs_in_and_submits_by_forms_that_another_process_made(
    proxy: HAProxy, token: str, tmp_path: Path
) -> None:
    visitor = Client(proxy, tmp_path)
    form = hidden(visitor.call("GET", "/sign-in").text)
    signed_in = visitor.call(
        "POST", "/sign-in", data={**form, "token": token}, headers={"Referer": visitor.url}
    )
    assert signed_in.status_code == HTTPStatus.SEE_OTHER
    served = []
    for number in range(4):
        csr = factories.openssl_csr(names=(f"DNS:form-{number}.signed.test",)).decode("ascii")
        form = hidden(visitor.call("GET", "/").text)
        data = {**form, "csr": csr, "profile": "server", "comment": ""}
        sent = {"headers": {"Referer": visitor.url}}
        review = visitor.call("POST", "/review", data=data, **sent)
        assert review.status_code == HTTPStatus.OK
        submitted = visitor.call("POST", "/requests", data={**data, **hidden(review.text)}, **sent)
        assert submitted.status_code == HTTPStatus.SEE_OTHER, submitted.text
        served.append(submitted.headers["Location"])

    for path in served:
        wait_until(lambda path=path: "/certificate.pem" in visitor.call("GET", path).text)  # type: ignore[misc]
    assert set(visitor.served_by) == BOTH


def test_the_proxy_is_believed_that_the_client_came_by_tls_and_the_client_is_not_believed(
    proxy: HAProxy, tmp_path: Path
) -> None:
    lie = {"X-Forwarded-Proto": "http"}
    visitors = [Client(proxy, tmp_path) for _ in BOTH]
    answers = [visitor.call("GET", "/sign-in", headers=lie) for visitor in visitors]

    assert {answer.headers[SERVED_BY] for answer in answers} == BOTH
    for answer in answers:
        assert "Secure" in answer.headers["Set-Cookie"]
        assert "Strict-Transport-Security" in answer.headers


METRICS: Final = [
    "/metrics",
    "/metrics?a",
    "//metrics",
    "/%6detrics",
    "/%2Fmetrics",
    "///%6D%65trics",
]


@pytest.mark.parametrize("address", METRICS)
def test_the_proxy_keeps_the_metrics_from_clients_however_their_address_is_written(
    proxy: HAProxy, address: str
) -> None:
    place = ("127.0.0.1", proxy.port)
    context = ssl.create_default_context(cadata=proxy.certificate.decode("ascii"))
    asked = f"GET {address} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    with (
        socket.create_connection(place, timeout=NOT_FOR_EVER) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(asked)
        assert connection.recv(100).startswith(b"HTTP/1.1 403 ")


def test_clients_lose_nothing_when_a_process_is_killed_under_load_and_long_polls(
    ground: Ground, crew: Crew, proxy: HAProxy, token: str, tmp_path: Path
) -> None:
    client = Client(proxy, tmp_path, token)
    csr = factories.csr(names=["DNS:waits.approved.example.com"])
    kind = {"Content-Type": "application/pkcs10"}
    path = "/api/v1/requests?profile=server"
    (waiting,) = [
        client.insist("POST", path, HTTPStatus.ACCEPTED, data=csr, headers=kind).json()["id"]
    ]
    told: list[str] = []
    polls = [
        threading.Thread(target=poll, args=(Client(proxy, tmp_path, token), waiting, told))
        for _ in range(POLLS)
    ]
    for thread in polls:
        thread.start()
    ids: dict[int, set[str]] = {}
    for number in range(SUBMISSIONS):
        if number == KILLED_AT:
            assert crew.of("web")[0].signal(signal.SIGKILL)
        body = factories.csr(names=[f"DNS:load-{number}.signed.test"])
        headers = {**kind, "Idempotency-Key": f"load-{number}"}
        for _ in range(2):
            answer = client.insist("POST", path, HTTPStatus.ACCEPTED, data=body, headers=headers)
            ids.setdefault(number, set()).add(answer.json()["id"])
    approver = Approver(ground.approver)
    approver.start()
    try:
        for thread in polls:
            thread.join(NOT_FOR_EVER)
    finally:
        approver.stop()

    assert told == ["issued"] * POLLS
    assert all(len(found) == 1 for found in ids.values())
    assert {ended(client, one) for found in ids.values() for one in found} == {"issued"}
    assert crew.of("web")[0].ends == {"SIGKILL": 1}
    assert {name for name in client.served_by if name} == BOTH


def poll(client: Client, request: str, told: list[str]) -> None:
    told.append(ended(client, request))


def ended(client: Client, request: str) -> str:
    """Wait for the end of a request by long polls; return its state."""
    deadline, state = time.monotonic() + NOT_FOR_EVER, ""
    while time.monotonic() < deadline and state not in ("issued", "failed", "rejected"):
        path, wait = f"/api/v1/requests/{request}", {"Prefer": "wait=10"}
        state = str(client.insist("GET", path, HTTPStatus.OK, headers=wait).json()["state"])
    return state
