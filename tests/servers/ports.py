"""TCP ports on the loopback."""

from __future__ import annotations

import random
import socket

LOOPBACK = "127.0.0.1"

# Below the range from which Linux takes ports for outgoing connections: otherwise one of those
# could sit on a server's port while the server restarts.
CANDIDATES = range(20_000, 32_000)

_handed_out: set[int] = set()


def free_port() -> int:
    """Return a port on which nothing listens, and which this process was not given before."""
    for port in random.sample(CANDIDATES, k=200):
        if port not in _handed_out and is_free(port):
            _handed_out.add(port)
            return port
    raise OSError(
        f"found no free port on {LOOPBACK} between {CANDIDATES.start} and {CANDIDATES.stop}"
    )


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def listens(port: int) -> bool:
    """Tell whether somebody takes connections on this port."""
    with socket.socket() as asking:
        return asking.connect_ex((LOOPBACK, port)) == 0
