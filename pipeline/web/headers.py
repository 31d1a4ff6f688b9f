"""What every answer says to browsers and caches."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from flask import Flask, Request, Response, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from werkzeug.http import parse_date

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""Our pages need one style sheet and one picture, and no script at all."""

HEADERS: Final = [
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
    ("Referrer-Policy", "same-origin"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
]
HEADERS_OVER_TLS: Final = [*HEADERS, ("Strict-Transport-Security", "max-age=31536000")]


DATED: Final = ("HTTP_IF_MODIFIED_SINCE", "HTTP_IF_RANGE")
"""What may hold a date that werkzeug reads."""

NO_DATE: Final = "none"
"""Neither a date nor the tag of any file, in place of what cannot be read: so it fits nothing."""


class Sessions(SecureCookieSessionInterface):
    """Session cookies that go over TLS only, and are of this host alone, when they came by TLS."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Return the session of whoever asks; the API looks at no cookie, so it has an empty one."""
        if request.path.startswith("/api/"):
            return self.session_class()
        return super().open_session(app, request)

    def get_cookie_name(self, app: Flask) -> str:
        """Return the cookie's name; browsers let no other host and no plain HTTP set ``__Host-``."""
        name = super().get_cookie_name(app)
        return f"__Host-{name}" if request.is_secure else name

    def get_cookie_secure(self, app: Flask) -> bool:
        """Return whether the browser may send the cookie over TLS only."""
        return request.is_secure


def set_up(app: Flask) -> None:
    """Add them to every answer."""
    app.session_interface = Sessions()
    app.config |= {
        "SESSION_COOKIE_NAME": "httpca",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
    }
    app.wsgi_app = _Headers(app.wsgi_app)  # type: ignore[method-assign]
    app.after_request(_limit_caches)


class _Headers:
    """Adds to an answer what is the same in all of them; and takes from a request what cannot be
    read."""

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        for name in DATED:
            if name in environ and not _is_readable(environ[name]):
                environ[name] = NO_DATE
        added = HEADERS_OVER_TLS if environ["wsgi.url_scheme"] == "https" else HEADERS

        def start(status: str, headers: list[tuple[str, str]], *further: Any) -> Any:
            return start_response(status, headers + added, *further)

        return self._app(environ, start)


def _is_readable(dated: str) -> bool:
    """Return whether werkzeug can read this as a date, or as none: it fails over a year that is too
    large, where the header is to be ignored (RFC 9110 section 13.1.3)."""
    try:
        parse_date(dated)
    except OverflowError:
        return False
    return True


def _limit_caches(response: Response) -> Response:
    if request.endpoint != "static" or response.status_code >= HTTPStatus.BAD_REQUEST:
        response.headers["Cache-Control"] = "no-store"
        response.headers.add("Vary", "Accept-Language, Authorization, Cookie")
    return response
