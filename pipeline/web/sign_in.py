"""Sign in and out with a browser, and choose its language: what a session holds."""

from http import HTTPStatus
from typing import Final

from flask import Blueprint, current_app, redirect, render_template, request, session
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from pipeline.errors import RequesterError
from pipeline.web import tokens
from pipeline.web.access import BAD_TOKEN
from pipeline.web.problems import NOT_FOUND
from pipeline.web.site import site

blueprint: Final = Blueprint("session", __name__)


@blueprint.get("/sign-in")
def sign_in() -> ResponseReturnValue:
    """Ask for the token."""
    return render_template("sign_in.html", following=_following())


@blueprint.post("/sign-in")
def enter() -> ResponseReturnValue:
    """Remember in a signed cookie whose token it is: its hash, so that a revoked one ends it."""
    hashed = tokens.digest(request.form.get("token", "").strip())
    with site().database.read() as connection:
        name = tokens.requester_of(connection, hashed)
    if name is None:
        page = render_template("sign_in.html", following=_following(), error=gettext(BAD_TOKEN))
        return page, HTTPStatus.UNAUTHORIZED
    language = session.get("language")
    session.clear()
    session["token"] = hashed.hex()
    if language is not None:
        session["language"] = language
    return _see(_following())


@blueprint.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    """Forget who it is."""
    session.pop("token", None)
    return _see("/")


@blueprint.get("/language/<code>")
def language(code: str) -> ResponseReturnValue:
    """Show all pages in this language from now on."""
    if code not in current_app.config["LOCALES"]:
        raise RequesterError("not-found", NOT_FOUND)
    session["language"] = code
    return _see(_following())


def _following() -> str:
    """Return the page to go to afterwards: only ever one of ours."""
    wanted = request.values.get("next", "/")
    local = wanted.startswith("/") and not wanted.startswith(("//", "/\\"))
    return wanted if local and wanted.isprintable() else "/"


def _see(address: str) -> ResponseReturnValue:
    return redirect(address, HTTPStatus.SEE_OTHER)
