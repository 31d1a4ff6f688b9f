"""Who may do what: one table over all endpoints, applied before any of them runs.

What stands behind a request's id is decided where it is looked up: a requester's own, or one that
was submitted anonymously; anybody else's is not found.
"""

from enum import Enum
from typing import Final

from flask import Flask, g, request, session

from pipeline.errors import N_, RequesterError
from pipeline.web import tokens
from pipeline.web.site import site

NEEDS_TOKEN: Final = N_(
    "Send your token in the header “Authorization: Bearer TOKEN”. Tokens are made by the operator."
)
NEEDS_SIGN_IN: Final = N_(
    "Sign in with your token to see this page. Tokens are made by the operator."
)
BAD_TOKEN: Final = N_(
    "This token is not known here or was revoked. Check that it is complete, or ask the operator"
    " for a new one."
)


class Admits(Enum):
    """Whom an endpoint admits."""

    UNASKED = "everybody, and nobody is asked who they are"
    EVERYBODY = "everybody; a token that is sent must be right"
    SUBMITTERS = "known requesters, and anonymous ones where the operator allows it"
    KNOWN = "known requesters"


ENDPOINTS: Final = {
    "static": Admits.UNASKED,
    "health.alive": Admits.UNASKED,
    "health.ready": Admits.UNASKED,
    "health.metrics": Admits.UNASKED,
    "api.openapi": Admits.UNASKED,
    "api.submit": Admits.SUBMITTERS,
    "api.submit_batch": Admits.SUBMITTERS,
    "api.listed": Admits.KNOWN,
    "api.shown": Admits.EVERYBODY,
    "api.certificate": Admits.EVERYBODY,
    "api.withdraw": Admits.EVERYBODY,
    "api.authorities": Admits.EVERYBODY,
    "api.checkpoints": Admits.EVERYBODY,
    "api.root": Admits.EVERYBODY,
    "html.form": Admits.EVERYBODY,
    "html.edit": Admits.EVERYBODY,
    "html.review": Admits.SUBMITTERS,
    "html.submit": Admits.SUBMITTERS,
    "html.listed": Admits.KNOWN,
    "html.shown": Admits.EVERYBODY,
    "html.download": Admits.EVERYBODY,
    "html.withdraw": Admits.EVERYBODY,
    "html.authorities": Admits.EVERYBODY,
    "html.root": Admits.EVERYBODY,
    "html.problem": Admits.UNASKED,
    "session.language": Admits.UNASKED,
    "session.sign_in": Admits.UNASKED,
    "session.enter": Admits.UNASKED,
    "session.sign_out": Admits.UNASKED,
}


def set_up(app: Flask) -> None:
    """Apply the table to the application, whose endpoints must all be in it."""
    missing = set(app.view_functions) ^ set(ENDPOINTS)
    if missing:
        raise AssertionError(f"the table of access and the endpoints differ: {sorted(missing)}")
    app.before_request(admit)


def requester() -> str | None:
    """Return who asks: the name of a known requester, or None."""
    name: str | None = g.get("requester")
    return name


def admit() -> None:
    """Find out who asks, and stop whom the endpoint does not admit. Whoever held an answer asks once
    more: a token may have been revoked meanwhile.

    Raises:
        RequesterError: ``not-authenticated`` or ``bad-token``.
    """
    if request.endpoint is None:  # an address or method that does not exist: answered as such
        return
    admits = ENDPOINTS[request.endpoint]
    if admits is Admits.UNASKED:
        return
    g.requester = _bearer() if "Authorization" in request.headers else _session()
    if g.requester is not None or admits is Admits.EVERYBODY:
        return
    if admits is Admits.SUBMITTERS and site().settings.http.anonymous:
        return
    raise RequesterError("not-authenticated", NEEDS_TOKEN if _is_api() else NEEDS_SIGN_IN)


def _is_api() -> bool:
    return request.path.startswith("/api/")


def _bearer() -> str:
    """Return whose token was sent; what is sent and wrong never passes for anonymous."""
    scheme, _, token = request.headers["Authorization"].partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise RequesterError("bad-token", BAD_TOKEN)
    name = site().tokens.requester(tokens.digest(token.strip()))
    if name is None:
        raise RequesterError("bad-token", BAD_TOKEN)
    return name


def _session() -> str | None:
    """Return who signed in with this browser; the API does not look at cookies (no CSRF there)."""
    hashed = session.get("token")
    if hashed is None or _is_api():
        return None
    name = site().tokens.requester(bytes.fromhex(hashed))
    if name is None:  # revoked since
        session.pop("token")
    return name
