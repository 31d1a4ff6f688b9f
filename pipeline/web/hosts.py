"""Refuse a request whose Host is no host name (RFC 9110 section 7.2), before anything is routed.

Werkzeug cannot route it, so that not even its own error could be answered with a page.
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from flask import Flask, request
from werkzeug.exceptions import BadRequest

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_LABEL: Final = "[A-Za-z0-9_-]{1,63}"
_HOST: Final = re.compile(
    rf"(?:{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]{{2,45}}\])(?::[0-9]{{0,5}})?"
)

_WRONG: Final = "httpca.wrong_host"

_NOWHERE: Final = "invalid"
"""A name that no host has (RFC 2606 section 2)."""


def set_up(app: Flask) -> None:
    """Let the application answer 400 to what is sent for no host."""
    app.wsgi_app = _Hosts(app.wsgi_app)  # type: ignore[method-assign]
    app.before_request(_refuse)


class _Hosts:
    """Puts a host name in the place of what is none, and notes that."""

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        host: Any = environ.get("HTTP_HOST")
        if host and not _HOST.fullmatch(host):
            environ["HTTP_HOST"] = _NOWHERE
            environ[_WRONG] = True
        return self._app(environ, start_response)


def _refuse() -> None:
    if _WRONG in request.environ:
        raise BadRequest
