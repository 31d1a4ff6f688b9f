"""Many connections in one thread: requests are made beforehand, and answers are hardly looked at.

What the load costs is taken from the cores that are measured, so nothing is parsed here but the status
and the length; whoever wants to know more reads the bodies when the clock has stopped.
"""

import heapq
import itertools
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final

LONGEST: Final = 300.0
"""Seconds without any answer; against hanging only."""

Then = Callable[["Connection", int, bytes], None]
"""What to do with an answer: the connection that is free again, the status, the body."""

Answered = Callable[[int, float, int, bytes], None]
"""What to do with an answer: the number of its request, the seconds it took, the status, the body."""


class Connection:
    """One keep-alive connection to an HTTP/1.1 server on the loopback."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.then: Then | None = None
        self.socket = self._connect()
        self._octets = b""
        self._whole = 0

    def _connect(self) -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self.port), timeout=LONGEST)
        made.settimeout(None)  # with one, Python waits even where MSG_DONTWAIT says not to
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def is_open(self) -> bool:
        """Tell whether the server has kept the connection, on which nothing is waited for."""
        try:
            return bool(self.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except BlockingIOError:
            return True

    def receive(self) -> tuple[int, bytes] | None:
        """Read what is there; return status and body when the answer is complete."""
        octets = self.socket.recv(1 << 20)
        if not octets:
            raise ConnectionError("the server ended the connection")
        self._octets = octets = self._octets + octets if self._octets else octets
        if not self._whole:
            end = octets.find(b"\r\n\r\n")
            if end < 0:
                return None
            self._whole = end + 4 + _length(octets[: end + 2])
        if len(octets) < self._whole:
            return None
        body = octets[octets.index(b"\r\n\r\n") + 4 : self._whole]
        self._octets, self._whole = b"", 0
        return int(octets[9:12]), body


class Flood:
    """The connections, and what is to be sent at some later moment."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = ports
        self._selector = selectors.EpollSelector()
        self._made = 0
        self._waiting = 0
        self._numbers = itertools.count()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._free: deque[Connection] = deque()

    def free(self) -> Connection:
        """Return a connection that nothing is waited for on, a new one if need be."""
        while self._free:
            found = self._free.popleft()
            if found.is_open():
                return found
            self._selector.unregister(found.socket)
            found.socket.close()
        return self.open()

    def open(self) -> Connection:
        """Open a connection; they are spread over the ports."""
        made = Connection(self._ports[self._made % len(self._ports)])
        self._made += 1
        self._selector.register(made.socket, selectors.EVENT_READ, made)
        return made

    def send(self, connection: Connection, octets: bytes, then: Then) -> None:
        """Send a whole request; ``then`` is called with its answer."""
        connection.then = then
        self._waiting += 1
        connection.socket.sendall(octets)

    def release(self, connection: Connection) -> None:
        """Let others use a connection."""
        self._free.append(connection)

    def at(self, moment: float, do: Callable[[], None]) -> None:
        """Call something at a moment of ``time.perf_counter``."""
        heapq.heappush(self._timers, (moment, next(self._numbers), do))

    def run(self) -> None:
        """Go on until all is answered and nothing is to be sent.

        Raises:
            TimeoutError: no answer came for long.
        """
        while self._waiting or self._timers:
            now = time.perf_counter()
            while self._timers and self._timers[0][0] <= now:
                heapq.heappop(self._timers)[2]()
            pause = self._timers[0][0] - time.perf_counter() if self._timers else LONGEST
            found = self._selector.select(max(pause, 0.0))
            if not found and not self._timers:
                raise TimeoutError(f"no answer for {LONGEST:.0f} seconds")
            for key, _ in found:
                if key.data.then is None:  # an idle one that the server ends; `free` finds out
                    self._selector.unregister(key.data.socket)
                    key.data.socket.close()
                    self._free.remove(key.data)
                else:
                    self._read(key.data)

    def each(self, requests: Sequence[bytes], connections: int, then: Answered) -> None:
        """Send each request, as soon as one of so many connections is free, and wait for all.

        ``then`` is called with the request's number, the seconds that it took, status and body.
        """
        numbers = iter(range(len(requests)))

        def go_on(connection: Connection) -> None:
            number = next(numbers, None)
            if number is None:
                self.release(connection)
                return
            began = time.perf_counter()

            def answered(connection: Connection, status: int, body: bytes) -> None:
                then(number, time.perf_counter() - began, status, body)
                go_on(connection)

            self.send(connection, requests[number], answered)

        for connection in [self.free() for _ in range(min(connections, len(requests)))]:
            go_on(connection)
        self.run()

    def close(self) -> None:
        """End all connections."""
        for key in list(self._selector.get_map().values()):
            key.data.socket.close()
        self._selector.close()

    def _read(self, connection: Connection) -> None:
        answer = connection.receive()
        if answer is not None and (then := connection.then) is not None:
            connection.then = None
            self._waiting -= 1
            then(connection, *answer)


def _length(head: bytes) -> int:
    """Return how long the body is.

    Raises:
        ValueError: the server does not say so.
    """
    lower = head.lower()
    at = lower.find(b"\r\ncontent-length:")
    if at < 0:
        raise ValueError(f"an answer without Content-Length: {head[:100]!r}")
    return int(lower[at + 17 : lower.index(b"\r\n", at + 2)])


def get(port: int, token: str, path: str, headers: Iterable[str] = ()) -> bytes:
    """Return a whole GET request."""
    return _head("GET", port, token, path, headers).encode() + b"\r\n"


def post(port: int, token: str, path: str, media_type: str, body: bytes) -> bytes:
    """Return a whole POST request."""
    further = [f"Content-Type: {media_type}", f"Content-Length: {len(body)}"]
    return _head("POST", port, token, path, further).encode() + b"\r\n" + body


def _head(verb: str, port: int, token: str, path: str, headers: Iterable[str]) -> str:
    lines = [f"{verb} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    return "".join(f"{line}\r\n" for line in [*lines, *headers])
