"""The one place where errors become HTTP.

Below ``/api`` as ``application/problem+json`` (RFC 9457), elsewhere as a page; the sentence is the
same, in the language of whoever asks.
"""

import secrets
from collections.abc import Mapping
from typing import Final

import msgspec
import structlog
from flask import Flask, Response, make_response, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from pipeline.database.reach import is_out_of_reach
from pipeline.errors import N_, RequesterError
from pipeline.web.known_problems import PROBLEMS
from pipeline.web.locales import current

log = structlog.get_logger(__name__)

NOT_FOUND: Final = N_(
    "There is nothing at this address, or it is not yours to see. Check the address; if it is that"
    " of a request of yours, sign in or send your token."
)
METHOD_NOT_ALLOWED: Final = N_("This address does not answer %(method)s. It answers %(allowed)s.")
BODY_TOO_LARGE: Final = N_(
    "What you sent is larger than is read here. Send only the CSR, or fewer of them at a time."
)
BAD_REQUEST: Final = N_("What you sent cannot be understood as HTTP. Check how it is sent.")
FORM_EXPIRED: Final = N_(
    "The form is too old or your browser sends no cookies. Go back, load the page again, and send"
    " it once more."
)
DATABASE_UNAVAILABLE: Final = N_(
    "The database cannot be reached at the moment. Nothing that was confirmed to you is lost. Try"
    " again in a few seconds."
)
INTERNAL_ERROR: Final = N_(
    "Something went wrong on our side. Try again; if it happens again, tell the operator this"
    " number: %(number)s."
)

RETRY_AFTER: Final = "5"
"""Seconds after which a requester may try again what failed for the database's sake."""

CHALLENGE: Final = 'Bearer realm="HttpCA"'

BARE_CSR: Final = ", application/pkcs10, application/x-pem-file"
"""What is read besides JSON where a single CSR is submitted."""


class ProblemDetails(msgspec.Struct, frozen=True):
    """The JSON form of an error."""

    type: str
    title: str
    status: int
    detail: str


def sentence(error: RequesterError) -> str:
    """Return an error's sentence in the language of the answer."""
    return str(gettext(error.template, **error.params))


def details(error: RequesterError) -> ProblemDetails:
    """Return an error's JSON form, in the language of the answer."""
    problem = PROBLEMS[error.slug]
    title = str(gettext(problem.title))
    return ProblemDetails(f"/problems/{error.slug}", title, problem.status, sentence(error))


def status(error: RequesterError) -> int:
    """Return an error's HTTP status."""
    return PROBLEMS[error.slug].status


def answer(
    slug: str, detail: str, headers: Mapping[str, str] | None = None, status: int | None = None
) -> Response:
    """Return the answer that tells of a problem, in the form that fits the address."""
    problem = PROBLEMS[slug]
    title, code = str(gettext(problem.title)), status or problem.status
    if request.path.startswith("/api/"):
        details = ProblemDetails(f"/problems/{slug}", title, code, detail)
        response = Response(
            msgspec.json.encode(details) + b"\n", mimetype="application/problem+json"
        )
    else:
        page = render_template("error.html", title=title, detail=detail, slug=slug)
        response = make_response(page)
    response.status_code = code
    response.headers["Content-Language"] = current()
    response.headers.extend(_own_headers(slug) | dict(headers or {}))
    return response


def _own_headers(slug: str) -> dict[str, str]:
    if slug == "not-authenticated":
        return {"WWW-Authenticate": CHALLENGE}
    if slug == "bad-token":
        return {"WWW-Authenticate": f'{CHALLENGE}, error="invalid_token"'}
    if slug == "unsupported-media-type":
        bare = "" if request.endpoint == "api.submit_batch" else BARE_CSR
        return {"Accept": f"application/json{bare}"}
    return {"Retry-After": RETRY_AFTER} if PROBLEMS[slug].status == 503 else {}


def set_up(app: Flask) -> None:
    """Let the application answer every error."""
    app.register_error_handler(RequesterError, _requester_error)
    app.register_error_handler(CSRFError, _form_expired)
    app.register_error_handler(HTTPException, _http_exception)
    app.register_error_handler(Exception, _unexpected)


def _requester_error(error: RequesterError) -> Response:
    if error.retry_after is None:  # who asks too often is logged once a minute: see permits.py
        log.info("refused", problem=error.slug)
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    return answer(error.slug, sentence(error), headers)


def _form_expired(_error: CSRFError) -> Response:
    return answer("form-expired", gettext(FORM_EXPIRED))


def _http_exception(error: HTTPException) -> ResponseReturnValue:
    match error.code:
        case 404:
            return answer("not-found", gettext(NOT_FOUND))
        case 405:
            allowed = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
            detail = gettext(METHOD_NOT_ALLOWED, method=request.method, allowed=allowed)
            return answer("method-not-allowed", detail, {"Allow": allowed})
        case 413:
            return answer("too-large", gettext(BODY_TOO_LARGE))
        case code if code is not None and 400 <= code < 500:
            return answer("bad-request", gettext(BAD_REQUEST), status=code)
        case code if code is not None and code < 400:  # a redirect
            return error.get_response()
    return _unexpected(error)


def _database_unavailable(error: Exception) -> Response:
    log.warning("database-unavailable", error=type(error).__name__)
    return answer("database-unavailable", gettext(DATABASE_UNAVAILABLE))


def _unexpected(error: Exception) -> Response:
    if is_out_of_reach(error):
        return _database_unavailable(error)
    number = secrets.token_hex(6)
    log.error("unexpected-error", number=number, path=request.path, exc_info=error)
    return answer("internal-error", gettext(INTERNAL_ERROR, number=number))
