"""A way to RabbitMQ on which an answer is lost, and everything else arrives."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from types import TracebackType
from typing import Final

import pika.amqp_object

from tests.servers.ports import LOOPBACK

_HEADER: Final = 7
_METHOD: Final = 1


class Withholding:
    """Between a client and RabbitMQ on ``port``: of the methods in ``lost`` the first one is withheld
    for each time that it stands there. Heartbeats and all else pass."""

    def __init__(self, port: int) -> None:
        self.lost: list[type[pika.amqp_object.Method]] = []
        self._to = port
        self._listener = socket.create_server((LOOPBACK, 0))
        self._sockets = [self._listener]

    @property
    def port(self) -> int:
        """Where a client connects."""
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Withholding:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for one in self._sockets:
            _end(one)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # at the end
                return
            server = socket.create_connection((LOOPBACK, self._to))
            self._sockets += [client, server]
            for way in ((self._pass_all, client, server), (self._pass_frames, server, client)):
                threading.Thread(target=way[0], args=way[1:], daemon=True).start()

    def _pass_all(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while octets := source.recv(65536):
                target.sendall(octets)
        _end(target)

    def _pass_frames(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError), source.makefile("rb") as frames:
            while len(header := frames.read(_HEADER)) == _HEADER:
                kind, _, size = struct.unpack(">BHL", header)
                rest = frames.read(size + 1)
                if not (kind == _METHOD and self._is_lost(rest)):
                    target.sendall(header + rest)
        _end(target)

    def _is_lost(self, payload: bytes) -> bool:
        (number,) = struct.unpack_from(">I", payload)
        for method in self.lost:
            if number == method.INDEX:
                self.lost.remove(method)
                return True
        return False


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the other end has gone already
        one.shutdown(socket.SHUT_RDWR)
    one.close()
