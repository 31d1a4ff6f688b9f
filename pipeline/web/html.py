"""The pages: a form that is reviewed before it is sent, and a page for each request."""

from http import HTTPStatus
from typing import Final
from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from structlog.contextvars import bind_contextvars

from pipeline.errors import N_, RequesterError
from pipeline.states import State
from pipeline.web import authorities, checkpoints, delays, lookup, progress
from pipeline.web.access import requester
from pipeline.web.api import certificate_answer, root_answer
from pipeline.web.delays import Broker
from pipeline.web.form import Filled, fill, inspect, pem_of
from pipeline.web.formats import Format
from pipeline.web.known_problems import PROBLEMS
from pipeline.web.lookup import Found
from pipeline.web.problems import NOT_FOUND, sentence, status
from pipeline.web.site import site
from pipeline.web.submit import submit as submit_wish
from pipeline.web.understood import heading, stored, understood
from pipeline.web.withdraw import withdraw as withdraw_request

html: Final = Blueprint("html", __name__)

PAGE: Final = 25
"""Requests on one page of the list."""

DOWNLOADS: Final = (
    (
        Format.CHAIN,
        N_("PEM with chain"),
        N_("The certificate, then those of the CA up to below the root: what most servers want."),
    ),
    (Format.PEM, N_("PEM"), N_("The certificate alone, as text.")),
    (Format.DER, N_("DER"), N_("The certificate alone, in binary.")),
    (
        Format.PKCS7,
        N_("PKCS #7"),
        N_("Certificate and chain in one binary file, for Windows and Java."),
    ),
)
"""The forms in which a page offers a certificate, with their names and what they are good for."""


@html.get("/")
def form() -> ResponseReturnValue:
    """Show the empty form."""
    return _form(Filled(profile=next(iter(site().settings.profiles), "")))


@html.post("/")
def edit() -> ResponseReturnValue:
    """Show the form again, from the review."""
    return _form(fill(request))


@html.post("/review")
def review() -> ResponseReturnValue:
    """Show what was understood, before anything is stored."""
    filled = fill(request)
    try:
        csr = inspect(filled, site().settings)
    except RequesterError as error:
        return _form(filled, error)
    return render_template(
        "review.html",
        filled=filled.with_csr(pem_of(csr.der)),
        understood=understood(csr),
        delayed=_delayed(),
    )


@html.post("/requests")
def submit() -> ResponseReturnValue:
    """Submit what was reviewed, once however often the button is pressed."""
    here, filled = site(), fill(request)
    try:
        wish = filled.wish(requester())
        submitted = submit_wish(here.intake, here.settings, wish, here.now)
    except RequesterError as error:
        return _form(filled, error)
    bind_contextvars(request_id=submitted.id)
    return _see(submitted.id)


@html.get("/requests")
def listed() -> ResponseReturnValue:
    """List one's own requests."""
    name = requester()
    assert name is not None  # noqa: S101 - see the table in access.py
    cursor = request.args.get("cursor", "")
    with site().database.read() as connection:
        found, following = lookup.listed(connection, name, cursor=cursor, limit=PAGE)
    rows = [(one, heading(one.csr)) for one in found]
    return render_template(
        "requests.html", rows=rows, following=following, later=bool(cursor), states=progress.STATES
    )


@html.get("/requests/<uuid:request_id>")
def shown(request_id: UUID) -> ResponseReturnValue:
    """Show how far a request is, and its certificate."""
    found = _find(request_id)
    title, meaning = progress.STATES[found.state]
    looks_again = not found.final and request.args.get("refresh") != "off"
    return render_template(
        "request.html",
        found=found,
        title=title,
        meaning=meaning,
        steps=progress.steps(found.state),
        understood=stored(found.csr),
        refresh=progress.refresh(found.state) if looks_again else None,
        delayed=not found.final and _delayed(),
        downloads=DOWNLOADS if found.state is State.ISSUED else (),
    )


@html.get("/requests/<uuid:request_id>/certificate.<ending>")
def download(request_id: UUID, ending: str) -> ResponseReturnValue:
    """Hand out the certificate in the form that the link names."""
    for form in Format:
        if form.ending == ending:
            return certificate_answer(_find(request_id), form, form.media_type)
    raise RequesterError("not-found", NOT_FOUND)


@html.post("/requests/<uuid:request_id>/withdraw")
def withdraw(request_id: UUID) -> ResponseReturnValue:
    """Note the wish to withdraw."""
    here = site()
    return _see(withdraw_request(here.database, str(request_id), requester(), here.now()).id)


@html.get("/ca", endpoint="authorities")
def listed_authorities() -> ResponseReturnValue:
    """Show the CA certificates, their fingerprints, and how to install the root."""
    with site().database.read() as connection:
        known = authorities.known(connection)
        heads = checkpoints.newest(connection, 1)
    roots = {authority.root.fingerprint: authority.root for authority in known}
    return render_template(
        "ca.html", authorities=known, roots=list(roots.values()), head=heads[0] if heads else None
    )


@html.get("/ca.pem")
def root() -> ResponseReturnValue:
    """Hand out the root as PEM."""
    return root_answer()


@html.get("/problems/<slug>")
def problem(slug: str) -> ResponseReturnValue:
    """Explain a kind of problem."""
    if slug not in PROBLEMS:
        raise RequesterError("not-found", NOT_FOUND)
    return render_template("problem.html", slug=slug, problem=PROBLEMS[slug])


def _form(filled: Filled, error: RequesterError | None = None) -> ResponseReturnValue:
    wrong = None if error is None else filled.field_of(error.slug)
    if error is not None and error.slug == "private-key-sent":
        filled = filled.with_csr("")  # a page with a key in it would be one more copy
    page = render_template(
        "form.html",
        filled=filled,
        profiles=site().settings.profiles,
        anonymous=site().settings.http.anonymous,
        error=None if error is None else sentence(error),
        wrong=wrong,
        delayed=_delayed(),
    )
    return page, HTTPStatus.OK if error is None else status(error)


def _find(request_id: UUID) -> Found:
    with site().database.read() as connection:
        return lookup.find(connection, str(request_id), requester())


def _delayed() -> bool:
    here = site()
    with here.database.read() as connection:
        return delays.broker(connection, here.settings, here.now()) is not Broker.OK


def _see(request_id: str) -> ResponseReturnValue:
    address = url_for("html.shown", request_id=request_id)
    return redirect(address, HTTPStatus.SEE_OTHER)
