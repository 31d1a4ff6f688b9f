"""The server: it serves, and ends cleanly."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Self

import pytest
import requests
from waitress import wasyncore

from pipeline.web import serve
from pipeline.web.serve import LAST_ANSWERS, Server
from tests import factories
from tests.servers.ports import free_port
from tests.unit.web.held_commits import Commits
from tests.unit.web.test_connections import closed, connect
from tests.waiting import wait_until
from tests.website import Website

NOT_FOR_EVER: Final = 30.0
"""Seconds."""


class Running:
    """A server in a thread."""

    def __init__(self, website: Website) -> None:
        self.website = website
        self.server = Server(website.settings, website.app, port=free_port())
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.server.run_until, args=(self.stopping,))
        self.thread.start()

    def stop(self) -> float:
        """Stop it; return how many seconds that took."""
        begun = time.monotonic()
        self.stopping.set()
        self.thread.join(timeout=120)
        assert not self.thread.is_alive()
        return time.monotonic() - begun

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


@pytest.fixture
def running(website: Website) -> Iterator[Running]:
    with Running(website) as made:
        yield made


def test_serves_and_ends(running: Running) -> None:
    answer = requests.get(f"{running.server.url}/healthz", timeout=60)
    assert answer.json() == {"status": "ok"}
    assert "Server" not in answer.headers
    assert running.stop() < LAST_ANSWERS
    port = int(running.server.url.rpartition(":")[2])
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_whoever_asks_again_by_the_same_connection_does_not_keep_the_server_from_ending(
    tmp_path: Path,
) -> None:
    """What is being answered is, and told to be the last answer there; nothing more is read."""
    website = Website(tmp_path, limits={"address": 0})
    commits, body = Commits(website), factories.csr()
    asked = (
        "POST /api/v1/requests?profile=server HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/pkcs10\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    with (
        Running(website) as running,
        connect(running.server.url) as idle,
        connect(running.server.url) as asking,
    ):
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert idle.recv(1000).startswith(b"HTTP/1.1 200 ")
        asking.sendall(asked)
        wait_until(lambda: commits.under_way == 1)
        running.stopping.set()
        wait_until(lambda: closed(idle))
        with pytest.raises(ConnectionRefusedError):
            connect(running.server.url)
        asking.sendall(asked)
        assert running.thread.is_alive()
        commits.go_on.set()
        head = asking.recv(10_000)
    assert head.startswith(b"HTTP/1.1 202 ")
    assert b"\r\nConnection: close\r\n" in head
    assert commits.under_way == 1
    website.close()


def test_a_long_poll_is_answered_when_the_server_ends(running: Running) -> None:
    request_id = running.website.submit()
    results: list[requests.Response] = []
    address = f"{running.server.url}/api/v1/requests/{request_id}"
    held = threading.Thread(
        target=lambda: results.append(
            requests.get(address, headers={"Prefer": "wait=60"}, timeout=30)
        )
    )
    held.start()
    deadline = time.monotonic() + 60
    while not running.website.site.notifier.waiting and time.monotonic() < deadline:
        time.sleep(0.01)
    assert running.stop() < LAST_ANSWERS
    held.join(timeout=30)
    assert results[0].json()["state"] == "submitted"


def test_an_idle_connection_does_not_keep_the_server(running: Running) -> None:
    with requests.Session() as session:
        session.get(f"{running.server.url}/healthz", timeout=60)
        assert running.stop() < LAST_ANSWERS


def test_long_polls_leave_threads_for_others(tmp_path: Path) -> None:
    website = Website(tmp_path, http={"threads": 3, "long_polls": 2})
    request_id = website.submit()
    wait = {"Prefer": "wait=60"}
    with Running(website) as running:
        address = f"{running.server.url}/api/v1/requests/{request_id}"
        held = [
            threading.Thread(target=requests.get, args=(address,), kwargs={"headers": wait})
            for _ in range(2)
        ]
        for thread in held:
            thread.start()
        wait_until(lambda: website.site.notifier.waiting == 2)
        answers = [requests.get(address, headers=wait, timeout=30) for _ in range(5)]
        assert all("Retry-After" in answer.headers for answer in answers)
    for thread in held:
        thread.join(timeout=30)
    website.close()


def test_a_body_that_is_too_large_is_told_so(running: Running) -> None:
    answer = requests.post(
        f"{running.server.url}/api/v1/requests",
        data=b"x" * 3_000_000,
        headers={"Content-Type": "application/pkcs10"},
        timeout=60,
    )
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/too-large")


def test_a_body_that_is_much_too_large_is_not_read_at_all(running: Running) -> None:
    """Hundreds of them at a time would fill the disk on which they wait to be answered."""
    for header in (b"X: y", b"Expect: 100-continue"):  # whoever asks first need not send it, either
        with connect(running.server.url) as connection:
            asked = b"POST /api/v1/batches HTTP/1.1\r\nHost: localhost\r\n" + header
            connection.sendall(asked + b"\r\nContent-Length: 10000000\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_a_chunked_body_is_read(running: Running) -> None:
    octets = factories.csr()
    answer = requests.post(
        f"{running.server.url}/api/v1/requests?profile=server",
        data=iter([octets[:100], octets[100:]]),
        headers={"Content-Type": "application/pkcs10"},
        timeout=60,
    )
    assert answer.status_code == 202
    refused = requests.post(
        f"{running.server.url}/api/v1/requests?profile=server",
        data=iter([b"x" * 100_000] * 4),
        headers={"Content-Type": "application/pkcs10"},
        timeout=60,
    )
    assert (refused.status_code, refused.json()["type"]) == (413, "/problems/too-large")


def test_who_rings_after_the_serving_thread_has_looked_wakes_it(
    website: Website, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when somebody rang in the same turn, before it looked."""
    server = Server(website.settings, website.app, port=free_port())
    stopping, turns, loop = threading.Event(), [0], wasyncore.loop

    def ring() -> None:
        another = threading.Thread(target=server._ring)
        another.start()
        another.join()

    def rung_meanwhile(**arguments: Any) -> None:
        turns[0] += 1
        if turns[0] == 1:
            ring()
        loop(**arguments)

    def looks() -> None:
        if turns[0] == 1:
            ring()
        else:
            stopping.set()

    monkeypatch.setattr(serve, "LOOK", NOT_FOR_EVER)
    monkeypatch.setattr(wasyncore, "loop", rung_meanwhile)
    monkeypatch.setattr(server._dispatcher, "serve", looks)
    begun = time.monotonic()
    server.run_until(stopping)

    assert time.monotonic() - begun < NOT_FOR_EVER
