"""Close connections whose clients are too slow, so that those of others find a place.

For waitress a connection is alive that sends a byte now and then. Here a request has to come as a
whole within a time, and its answer has to be taken; and when places become scarce, those make room
that have gone longest without a request, however many somebody opens.
"""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import structlog
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.task import WSGITask

from pipeline.web.framing import Parser

log = structlog.get_logger(__name__)

MOST: Final = 500
"""Connections of one process. The usual limit on open files is 1024."""

RESERVE: Final = 50
"""Places that are kept free for those who come next."""

SLOW: Final = 60.0
"""Seconds in which a whole request must come, its body included, and an answer must be taken."""

IDLE: Final = 120
"""Seconds that a connection is kept without a request."""

LOOK: Final = 0.5
"""Seconds between two looks, unless places are scarce."""

NOTHING_MORE: Final = -1
"""waitress reads from a connection while not more requests than so many are to be answered there."""


class Answering(WSGITask):
    """Answers a request; what is short goes out in one piece, and not its headers first."""

    def build_response_header(self) -> bytes:
        """Return the headers; they say so when this is the last answer by this connection."""
        if self.channel.adj.channel_request_lookahead == NOTHING_MORE:
            self.set_close_on_finish()
        return bytes(super().build_response_header())

    def write(self, data: Any) -> None:
        """Send a part of the answer."""
        if self.wrote_header or not data or len(data) != self.content_length or not self.has_body:
            super().write(data)
        else:
            self.channel.write_soon(self.build_response_header() + data)
            self.wrote_header = True
            self.content_bytes_written = len(data)


class Channel(HTTPChannel):
    """A connection that knows since when it has been waiting, by the monotonic clock.

    What was asked for before the answer to what came first is taken is ``held`` until then: whoever
    answered it would wait for the client, too, and so take a thread for as long as that likes.
    """

    task_class = Answering
    parser_class = Parser
    held = False

    def __init__(self, *arguments: Any, **further: Any) -> None:
        self.idle_since = self.receiving_since = time.monotonic()
        super().__init__(*arguments, **further)

    def received(self, data: bytes) -> bool:
        """Take what came; note when a request begins."""
        if self.request is None:
            self.receiving_since = time.monotonic()
        return bool(super().received(data))

    def writable(self) -> bool:
        """Return whether the serving thread is to send: not while another one does, and so holds the
        lock. Asked to, it would turn in circles meanwhile; that one says when something is left."""
        if not self.outbuf_lock.acquire(blocking=False):
            return False
        self.outbuf_lock.release()
        return bool(self.held or super().writable())

    def handle_write(self) -> None:
        """Send on; when all is sent, have the next request answered that was held."""
        super().handle_write()
        if self.held and self.connected and not self.total_outbufs_len:
            self.held = False
            server: Any = self.server
            server.add_task(self)

    def service(self) -> None:
        """Answer a request; note when that is done."""
        super().service()
        self.idle_since = time.monotonic()

    def close_if_idle(self) -> None:
        """Close it, unless a request is being answered or an answer is still to be sent."""
        if not (self.requests or self.total_outbufs_len):
            self.will_close = True

    def is_waiting(self) -> bool:
        """Return whether it is we who wait for the client."""
        return self.held or not self.requests

    def is_slow(self, now: float, longest: float) -> bool:
        """Return whether we have waited for longer than ``longest`` seconds."""
        if not self.is_waiting():
            return False
        if self.request is not None and not self.requests:
            # What came of it before the last answer was not read on meanwhile.
            return now - max(self.receiving_since, self.idle_since) > longest
        return bool(self.total_outbufs_len) and now - self.idle_since > longest


def let_end(listener: Any) -> None:
    """Close a socket that listens, so that others are asked from now on, and let its connections end:
    what is being answered is, and nothing more is read. Otherwise clients that ask again and again by
    the same connections would have it go on until it is broken off."""
    wasyncore.dispatcher.close(listener)  # its own closes what wakes the serving thread, too
    listener.adj.channel_request_lookahead = NOTHING_MORE
    for channel in list(listener.active_channels.values()):
        channel.close_if_idle()


class Bell:
    """Wakes the serving thread, once for all who ask before it looks again.

    Whoever rings has changed before what that thread will find. ``rung`` is cleared when it has woken,
    before it looks: whoever rings after that wakes it once more.
    ``thread`` is the serving thread, which need not be woken by itself: it looks next.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self.rung = False
        self.thread: int | None = None

    def __call__(self) -> None:
        """Wake it, unless it is woken."""
        if not self.rung and threading.get_ident() != self.thread:
            self.rung = True
            self._ring()


class Doorkeeper:
    """Looks after the connections of one server, in the thread that serves them.

    ``longest`` is how long a client may be slow, in seconds.
    """

    def __init__(self, longest: float = SLOW) -> None:
        self._longest = longest
        self._next_look = 0.0

    def is_due(self, count: int) -> bool:
        """Return whether to look, with so many connections."""
        return count > MOST - RESERVE or time.monotonic() >= self._next_look

    def look(self, channels: Iterable[Channel]) -> None:
        """Close what is slow, and what has been without a request for longest when there are too
        many."""
        now, channels = time.monotonic(), list(channels)
        too_many = max(0, len(channels) - (MOST - RESERVE))
        self._next_look = now + LOOK
        slow = {channel for channel in channels if channel.is_slow(now, self._longest)}
        idle = sorted(
            (channel for channel in channels if channel.is_waiting() and channel not in slow),
            key=lambda channel: channel.idle_since,
        )
        closing = [*slow, *idle[: max(0, too_many - len(slow))]]
        for channel in closing:
            channel.will_close = True
        if closing:
            log.info("connections-closed", slow=len(slow), for_others=len(closing) - len(slow))
