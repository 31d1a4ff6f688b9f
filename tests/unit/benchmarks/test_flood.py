"""The load's client, against a server that answers in pieces, closes, and says too little."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from benchmarks import flood
from benchmarks.flood import Connection, Flood
from tests.waiting import wait_until

ANSWER = b"HTTP/1.1 200 OK\r\nX-Other: 1\r\nContent-Length: %d\r\n\r\n%b"


class Server:
    """Answers with the path that was asked for, in two pieces; ``/bare`` without a length, and after
    ``/last`` it ends the connection."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed: the test is over
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            while octets := connection.recv(1 << 16):
                path = octets.split()[1]
                if path == b"/bare":
                    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                    continue
                whole = ANSWER % (len(path), path)
                connection.sendall(whole[:30])
                time.sleep(0.005)
                connection.sendall(whole[30:])
                if path == b"/last":
                    return


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture
def client(server: Server) -> Iterator[Flood]:
    made = Flood([server.port])
    yield made
    made.close()


def get(server: Server, path: str) -> bytes:
    return flood.get(server.port, "a-token", path, ["Prefer: wait=30"])


def test_each_request_gets_its_own_answer_over_few_connections(
    server: Server, client: Flood
) -> None:
    found: dict[int, tuple[int, bytes]] = {}

    def keep(number: int, seconds: float, status: int, body: bytes) -> None:
        assert seconds > 0.004
        found[number] = (status, body)

    client.each([get(server, f"/{number}") for number in range(40)], 4, keep)
    assert found == {number: (200, f"/{number}".encode()) for number in range(40)}
    assert server.connections == 4


def test_what_is_planned_for_later_is_done_then(server: Server, client: Flood) -> None:
    moments: list[float] = []

    def answered(connection: Connection, status: int, body: bytes) -> None:
        moments.append(time.perf_counter())
        client.release(connection)

    began = time.perf_counter()
    for pause in (0.1, 0.05):
        client.at(began + pause, lambda: client.send(client.free(), get(server, "/x"), answered))
    client.run()
    assert len(moments) == 2
    assert moments[0] - began > 0.05
    assert moments[1] - began > 0.1


def test_a_connection_that_the_server_ended_is_replaced(server: Server, client: Flood) -> None:
    bodies: list[bytes] = []
    for path in ("/last", "/next"):
        client.each(
            [get(server, path)], 1, lambda number, seconds, status, body: bodies.append(body)
        )
        if path == "/last":  # the end comes a little after the answer
            wait_until(lambda: not any(one.is_open() for one in client._free))
    assert bodies == [b"/last", b"/next"]
    assert server.connections == 2


def test_an_answer_without_a_length_is_an_error(server: Server, client: Flood) -> None:
    with pytest.raises(ValueError, match="without Content-Length"):
        client.each([get(server, "/bare")], 1, lambda *answer: None)


def test_a_request_carries_token_headers_and_body() -> None:
    octets = flood.post(80, "a-token", "/path", "text/plain", b"body")
    head, _, body = octets.partition(b"\r\n\r\n")
    assert body == b"body"
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /path HTTP/1.1"
    assert "Authorization: Bearer a-token" in lines
    assert "Content-Length: 4" in lines


def test_without_a_token_no_authorization_is_sent() -> None:
    assert b"Authorization" not in flood.get(80, "", "/")
