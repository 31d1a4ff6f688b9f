"""An HTTP client that costs little, so that the load takes few of the cores that are measured."""

import json
import socket
from typing import Any, NamedTuple


class Answer(NamedTuple):
    """What the server said."""

    status: int
    body: bytes

    def json(self) -> Any:
        """Return the body, read as JSON."""
        return json.loads(self.body)


class Client:
    """One keep-alive connection to an HTTP/1.1 server on the loopback, with a token."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._head = f"Host: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        self._socket = self._connect()
        self._rest = b""

    def get(self, path: str, headers: str = "") -> Answer:
        """Get ``path``; ``headers`` are whole lines."""
        return self._ask(f"GET {path} HTTP/1.1\r\n{self._head}{headers}\r\n".encode(), b"")

    def post(self, path: str, media_type: str, body: bytes) -> Answer:
        """Post ``body`` to ``path``."""
        head = f"POST {path} HTTP/1.1\r\n{self._head}Content-Type: {media_type}\r\n"
        return self._ask(f"{head}Content-Length: {len(body)}\r\n\r\n".encode(), body)

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def _connect(self) -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self._port), timeout=120)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def _ask(self, head: bytes, body: bytes) -> Answer:
        self._socket.sendall(head + body)
        octets = self._rest
        while (end := octets.find(b"\r\n\r\n")) < 0:
            octets += self._receive()
        lines = octets[:end].decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines[1:])
        }
        if "content-length" not in headers:
            raise ValueError(f"an answer without Content-Length: {lines[0]}")
        whole = end + 4 + int(headers["content-length"])
        while len(octets) < whole:
            octets += self._receive()
        self._rest = octets[whole:]
        if headers.get("connection", "").lower() == "close":
            self.close()
            self._socket = self._connect()
        return Answer(int(lines[0].split()[1]), octets[end + 4 : whole])

    def _receive(self) -> bytes:
        octets = self._socket.recv(1 << 16)
        if not octets:
            raise ConnectionError("the server ended the connection")
        return octets
