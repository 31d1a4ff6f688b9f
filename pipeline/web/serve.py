"""Serve the application with waitress: few blocking threads, and a clean end."""

import signal
import threading
import time
from types import FrameType
from typing import Any, Final

import structlog
from flask import Flask
from waitress import wasyncore
from waitress.server import create_server

from pipeline.errors import HttpcaError
from pipeline.web.connections import IDLE, MOST, SLOW, Bell, Channel, Doorkeeper, let_end
from pipeline.web.dispatcher import Dispatcher
from pipeline.web.site import KEY, Site
from settings.web import WebSettings

log = structlog.get_logger(__name__)

SPOOLED: Final = 2
"""A body is read at all, into a temporary file, up to so many times the largest that is taken: what is
a little too large is told so more helpfully, and what is much too large fills no disk."""

HEADERS: Final = 32 * 1024
"""Bytes of a request's headers."""

LOOK: Final = 0.1
"""Seconds between two looks whether to stop; a signal does not interrupt the server's waiting."""

LAST_ANSWERS: Final = 10.0
"""Seconds that answers under way are given to be finished at the end."""


class Server:
    """A server that listens from the moment it is made, and serves while it runs."""

    def __init__(
        self,
        settings: WebSettings,
        app: Flask,
        *,
        port: int | None = None,
        slow: float = SLOW,
    ) -> None:
        http = settings.http
        self._site: Site = app.extensions[KEY]
        self._sockets: dict[int, Any] = {}
        port = http.port if port is None else port
        self._bells: list[Bell] = []
        spare = http.threads - http.long_polls
        self._dispatcher = Dispatcher(http.threads, self._ring, spare)
        try:
            self._waitress: Any = create_server(
                app,
                map=self._sockets,
                _dispatcher=self._dispatcher,
                host=http.host,
                port=port,
                threads=http.threads,
                ident=None,
                max_request_body_size=SPOOLED * max(http.max_body, http.max_batch_body),
                max_request_header_size=HEADERS,
                connection_limit=MOST,
                channel_timeout=IDLE,
                # With proxies, werkzeug's ProxyFix judges what they say; else nobody may say it.
                clear_untrusted_proxy_headers=not http.trusted_proxies,
            )
        except OSError as error:
            raise HttpcaError(
                f"cannot listen on {http.host} port {port}: {error.strerror}; "
                "choose another by --port (make run PORT=...)"
            ) from error
        # A host name may stand for several addresses, and so for several sockets that listen.
        self._listeners = [one for one in self._sockets.values() if hasattr(one, "active_channels")]
        self._doorkeeper = Doorkeeper(slow)
        for listener in self._listeners:
            listener.channel_class = Channel
            listener.pull_trigger = bell = Bell(listener.pull_trigger)
            self._bells.append(bell)

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self._listening()
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def run_until(self, stopping: threading.Event) -> None:
        """Serve in this thread until ``stopping`` is set, then finish what is under way and close.

        From then on nobody is let in, and nothing more is read from those who are. Long polls end at
        once, with the state as it is.
        """
        log.info("serving", url=self.url)
        for bell in self._bells:
            bell.thread = threading.get_ident()
        while not stopping.is_set():
            self._turn()
        for listener in self._listeners:
            let_end(listener)
        closing = threading.Thread(target=self._site.notifier.close, name="closing")
        closing.start()
        deadline = time.monotonic() + LAST_ANSWERS
        while time.monotonic() < deadline and (closing.is_alive() or self._answering()):
            self._turn()
        closing.join(timeout=LAST_ANSWERS)
        self._dispatcher.shutdown()
        wasyncore.close_all(self._sockets)
        log.info("served")

    def _turn(self) -> None:
        wasyncore.loop(timeout=LOOK, use_poll=True, map=self._sockets, count=1)
        for bell in self._bells:
            bell.rung = False
        self._dispatcher.serve()
        if self._doorkeeper.is_due(len(self._sockets)):
            self._doorkeeper.look(self._channels())

    def _ring(self) -> None:
        self._bells[0]()

    def _answering(self) -> bool:
        """Return whether a request is being answered, or an answer is still to be sent."""
        return any(channel.requests or channel.total_outbufs_len for channel in self._channels())

    def _channels(self) -> list[Channel]:
        return [
            channel
            for listener in self._listeners
            for channel in list(listener.active_channels.values())
        ]

    def _listening(self) -> tuple[str, int]:
        first = getattr(self._waitress, "effective_listen", None)
        if first:
            host, port = first[0]
        else:
            host, port = self._waitress.effective_host, self._waitress.effective_port
        return str(host), int(port)


def serve(settings: WebSettings, app: Flask, *, port: int | None = None) -> None:
    """Serve in the main thread until SIGINT or SIGTERM."""
    stopping = threading.Event()

    def stop(number: int, _frame: FrameType | None) -> None:
        stopping.set()
        signal.signal(number, signal.SIG_DFL)  # a second one ends the process at once

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    Server(settings, app, port=port).run_until(stopping)
