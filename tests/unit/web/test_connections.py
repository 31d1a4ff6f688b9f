"""Slow clients: whoever keeps us waiting is given up, and keeps nobody else out."""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from structlog.testing import capture_logs

from pipeline.web.connections import MOST, Bell, Channel
from pipeline.web.serve import Server
from tests.servers.ports import free_port
from tests.waiting import wait_until
from tests.website import Website

NOT_FOR_EVER = 60.0
"""Seconds; against hanging only."""

BEGUN = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /review HTTP/1.1\r\nHost: localhost\r\n"

SLOW = {
    "nothing, after half a header": BEGUN,
    "a header that never ends": BEGUN + b"X-",
    "a body that never comes": POST + b"Content-Length: 5000\r\n\r\n",
    "half a body": POST + b"Content-Length: 5000\r\n\r\n" + b"x" * 2000,
    "a chunk that never ends": POST + b"Transfer-Encoding: chunked\r\n\r\nfff\r\n",
}


@contextmanager
def serving(website: Website, **options: float) -> Iterator[str]:
    """Serve as process `web` does; yield the address."""
    server = Server(website.settings, website.app, port=free_port(), **options)
    stopping = threading.Event()
    thread = threading.Thread(target=server.run_until, args=(stopping,))
    thread.start()
    try:
        yield server.url
    finally:
        stopping.set()
        thread.join(timeout=NOT_FOR_EVER)
        assert not thread.is_alive()


def connect(url: str) -> socket.socket:
    address = urlsplit(url)
    return socket.create_connection((address.hostname, address.port or 0), timeout=NOT_FOR_EVER)


def closed(connection: socket.socket) -> bool:
    """Return whether the server closed this connection, without waiting."""
    connection.setblocking(False)
    try:
        return connection.recv(1000) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(NOT_FOR_EVER)


@pytest.mark.parametrize("begun", SLOW.values(), ids=SLOW.keys())
def test_a_request_that_does_not_end_is_given_up(website: Website, begun: bytes) -> None:
    with serving(website, slow=0.3) as url, connect(url) as slow:
        slow.sendall(begun)
        wait_until(lambda: closed(slow))


def test_a_byte_now_and_then_keeps_no_connection(website: Website) -> None:
    with serving(website, slow=0.5) as url, connect(url) as slow:
        slow.sendall(BEGUN)

        def given_up() -> bool:
            try:
                slow.sendall(b"X")
            except OSError:
                return True
            return closed(slow)

        wait_until(given_up)


def test_as_shipped_more_slow_clients_than_places_keep_nobody_out(website: Website) -> None:
    with serving(website) as url, ExitStack() as stack:
        slow = []
        for _ in range(MOST + 100):
            slow.append(stack.enter_context(connect(url)))
            slow[-1].sendall(BEGUN)
        for _ in range(5):
            answer = requests.get(f"{url}/healthz", timeout=NOT_FOR_EVER)
            assert answer.status_code == 200
        wait_until(lambda: closed(slow[0]))  # the oldest made room
        assert sum(closed(one) for one in slow) < MOST


def test_a_connection_that_asks_again_and_again_is_kept(website: Website) -> None:
    with serving(website, slow=0.2) as url:
        client = HTTPConnection(urlsplit(url).netloc, timeout=NOT_FOR_EVER)
        client.connect()
        kept = client.sock
        for _ in range(10):
            client.request("GET", "/healthz")
            assert client.getresponse().read() == b'{"status":"ok"}\n'
            time.sleep(0.1)
        assert client.sock is kept
        client.close()


def test_enormous_headers_are_refused_without_telling_what_serves(website: Website) -> None:
    with serving(website) as url, connect(url) as connection:
        connection.sendall(BEGUN + b"X: " + b"x" * 40_000 + b"\r\n\r\n")
        answer = connection.recv(10_000)
    assert answer.startswith(b"HTTP/1.0 431 ")
    assert b"waitress" not in answer.lower()
    assert b"Traceback" not in answer


def test_what_is_no_http_is_refused_without_telling_what_serves(website: Website) -> None:
    for sent in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\nContent-Length: -1\r\n\r\n",
        POST + b"Content-Length: 5\r\nTransfer-Encoding: nonsense\r\n\r\n",
    ):
        with serving(website) as url, connect(url) as connection:
            connection.sendall(sent)
            answer = connection.recv(10_000)
        assert re.match(rb"HTTP/1\.[01] (400|501) ", answer)
        assert b"waitress" not in answer.lower()
        assert b"Traceback" not in answer
        assert b"Server:" not in answer


def test_an_answer_is_sent_to_its_end_while_the_next_one_is_held(website: Website) -> None:
    """By one connection: a client that reads slowly, and has asked for both at once."""
    held = threading.Event()
    large = b"x" * 12_000_000

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        body = large if environ["PATH_INFO"] == "/large" else b"held"
        if body == b"held":
            assert held.wait(NOT_FOR_EVER)
        start("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    website.app.wsgi_app = answer  # type: ignore[assignment, method-assign]
    asked = b"".join(
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() for path in ("/large", "/held")
    )
    with serving(website) as url, connect(url) as slow:
        slow.settimeout(NOT_FOR_EVER / 4)
        slow.sendall(asked)
        try:
            with slow.makefile("rb") as reading:
                while reading.readline() != b"\r\n":
                    pass
                assert reading.read(len(large)) == large
                held.set()
                assert reading.readline() == b"HTTP/1.1 200 OK\r\n"
        finally:
            held.set()


def test_whoever_asks_for_much_at_once_and_takes_nothing_keeps_no_thread(tmp_path: Path) -> None:
    """As many clients as there are threads, each of which would wait until its client reads."""
    website = Website(tmp_path, {"threads": 2, "long_polls": 0})
    large, count = b"x" * 1_000_000, 30

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        body = large if environ["PATH_INFO"] == "/large" else b"small"
        start("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    website.app.wsgi_app = answer  # type: ignore[assignment, method-assign]
    with capture_logs() as said, serving(website, slow=5.0) as url, ExitStack() as stack:
        clients = [stack.enter_context(connect(url)) for _ in range(3)]
        for client in clients:
            client.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n" * count)
        time.sleep(0.5)  # time to run out of threads
        assert requests.get(f"{url}/small", timeout=NOT_FOR_EVER / 2).text == "small"
        with clients[0].makefile("rb") as reading:
            for _ in range(count):
                while reading.readline() != b"\r\n":
                    pass
                assert reading.read(len(large)) == large
        wait_until(lambda: sum(one.get("slow", 0) for one in said) == len(clients) - 1)
    website.close()


def test_the_serving_thread_is_woken_once_for_all_who_ask_before_it_looks() -> None:
    rung: list[int] = []
    bell = Bell(lambda: rung.append(1))
    for _ in range(3):
        bell()
    assert len(rung) == 1
    bell.rung = False  # it looks
    bell()
    assert len(rung) == 2
    bell.rung, bell.thread = False, threading.get_ident()
    bell()  # by the thread that looks next
    assert len(rung) == 2


def test_a_short_answer_is_sent_in_one_piece(
    website: Website, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []
    send = Channel.send

    def noted(channel: Channel, data: bytes, *arguments: Any, **further: Any) -> int:
        sent.append(bytes(data))
        return int(send(channel, data, *arguments, **further))

    monkeypatch.setattr(Channel, "send", noted)
    with serving(website) as url:
        requests.get(f"{url}/healthz", timeout=NOT_FOR_EVER)
    assert len(sent) == 1
    assert sent[0].endswith(b'\r\n\r\n{"status":"ok"}\n')
