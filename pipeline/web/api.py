"""The JSON API (version 1)."""

from http import HTTPStatus
from uuid import UUID

from flask import Blueprint, Response, request, url_for
from structlog.contextvars import bind_contextvars

from pipeline.errors import N_, RequesterError
from pipeline.web import answers, api_input, authorities, formats, limits, lookup
from pipeline.web import checkpoints as known_checkpoints
from pipeline.web.access import admit, requester
from pipeline.web.lookup import Found
from pipeline.web.notifier import Waited
from pipeline.web.openapi import DOCUMENT
from pipeline.web.problems import details
from pipeline.web.site import site
from pipeline.web.submit import Submitted, Wish, submit_all
from pipeline.web.submit import submit as submit_wish
from pipeline.web.withdraw import withdraw as withdraw_request

api = Blueprint("api", __name__, url_prefix="/api/v1")

NO_CERTIFICATE = N_(
    "This request has no certificate, or none yet. Look at its state; “Prefer: wait=30” waits for"
    " the end."
)

BUSY_RETRY_AFTER = "1"
"""Seconds after which a client may ask again that found no place to wait."""


@api.post("/requests")
def submit() -> Response:
    """Submit a CSR."""
    here = site()
    wish = api_input.wish(request, requester())
    submitted = submit_wish(here.intake, here.settings, wish, here.now)
    bind_contextvars(request_id=submitted.id)
    headers = {"Location": answers.request_address(submitted.id)}
    return answers.json(answers.request(submitted.found), HTTPStatus.ACCEPTED, headers)


@api.post("/batches")
def submit_batch() -> Response:
    """Submit many CSRs, each of which has its own result."""
    here = site()
    request.max_content_length = here.settings.http.max_batch_body
    read = api_input.wishes(request, requester())
    limits.count_further(len(read) - 1)
    wishes = [one for one in read if isinstance(one, Wish)]
    submitted = iter(submit_all(here.intake, here.settings, wishes, here.now))
    results = [next(submitted) if isinstance(one, Wish) else one for one in read]
    return answers.json(
        answers.BatchResults([_batch_result(one) for one in results]), HTTPStatus.ACCEPTED
    )


def _batch_result(result: Submitted | RequesterError) -> answers.BatchResult:
    if isinstance(result, RequesterError):
        return answers.BatchResult(problem=details(result))
    return answers.BatchResult(request=answers.request(result.found))


@api.get("/requests")
def listed() -> Response:
    """List one's own requests, the newest first."""
    name = requester()
    assert name is not None  # noqa: S101 - see the table in access.py
    wanted, limit = api_input.states(request), api_input.limit(request)
    cursor = request.args.get("cursor", "")
    with site().database.read() as connection:
        found, following = lookup.listed(
            connection, name, states=wanted, cursor=cursor, limit=limit
        )
    address = None
    if following is not None:
        only = [state.value for state in wanted]
        address = url_for("api.listed", state=only, limit=limit, cursor=following)
    return answers.json(answers.RequestList([answers.summary(one) for one in found], address))


@api.get("/requests/<uuid:request_id>")
def shown(request_id: UUID) -> Response:
    """Show one request; with ``Prefer: wait`` hold the answer until its state is final."""
    found = _find(str(request_id))
    seconds = api_input.wait(request)
    if seconds is None or found.final:
        return answers.json(answers.request(found))
    # Only whoever may see the request waits for it, so this comes after the look.
    if site().notifier.wait_final(found.id, seconds) is Waited.BUSY:
        headers = {"Retry-After": BUSY_RETRY_AFTER}
        return answers.json(answers.request(found), headers=headers)
    admit()
    headers = {"Preference-Applied": f"wait={seconds}"}
    return answers.json(answers.request(_find(found.id)), headers=headers)


@api.get("/requests/<uuid:request_id>/certificate")
def certificate(request_id: UUID) -> Response:
    """Hand out the certificate, in the form that the client accepts."""
    form, media_type = formats.negotiate(request.headers.get("Accept", ""))
    return certificate_answer(_find(str(request_id)), form, media_type)


@api.delete("/requests/<uuid:request_id>")
def withdraw(request_id: UUID) -> Response:
    """Note the wish to withdraw; the signer decides whether it comes in time."""
    here = site()
    found = withdraw_request(here.database, str(request_id), requester(), here.now())
    return answers.json(answers.request(found), HTTPStatus.ACCEPTED)


@api.get("/ca", endpoint="authorities")
def listed_authorities() -> Response:
    """List the issuing CAs with their chains and roots."""
    with site().database.read() as connection:
        found = authorities.known(connection)
    return answers.json(answers.AuthorityList([answers.authority(one) for one in found]))


@api.get("/audit/checkpoints")
def checkpoints() -> Response:
    """List the signed heads of the signer's audit, the newest first."""
    with site().database.read() as connection:
        found = known_checkpoints.newest(connection, api_input.limit(request))
    return answers.json(answers.CheckpointList([answers.checkpoint(one) for one in found]))


@api.get("/ca.pem")
def root() -> Response:
    """Hand out the root as PEM."""
    return root_answer()


@api.get("/openapi.json")
def openapi() -> Response:
    """Describe this API."""
    return answers.json(DOCUMENT)


def root_answer() -> Response:
    """Return the roots as a PEM file."""
    with site().database.read() as connection:
        found = authorities.roots(connection)
    response = Response(found, mimetype="application/pem-certificate-chain")
    response.headers["Content-Disposition"] = 'attachment; filename="ca.pem"'
    return response


def certificate_answer(found: Found, form: formats.Format, media_type: str) -> Response:
    """Return a request's certificate as a file.

    Raises:
        RequesterError: ``no-certificate``.
    """
    if found.certificate is None or found.chain is None:
        raise RequesterError("no-certificate", NO_CERTIFICATE)
    octets = formats.write(form, found.certificate, found.chain)
    response = Response(octets, content_type=media_type)
    filename = f"{found.id}.{form.ending}"
    response.headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response


def _find(request_id: str) -> Found:
    with site().database.read() as connection:
        return lookup.find(connection, request_id, requester())
