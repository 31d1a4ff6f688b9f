"""The JSON that the API answers with."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from flask import Response

from pipeline.web import authorities, checkpoints, formats
from pipeline.web.lookup import Found
from pipeline.web.problems import ProblemDetails

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class RequestSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A request, as a list has it. ``url`` is its address in the API, ``page`` that for people."""

    id: str
    state: str
    revision: int
    profile: str
    reason: str
    comment: str
    requester: str | None
    created_at: datetime
    changed_at: datetime
    withdrawal_wished: bool
    url: str
    page: str


class Request(RequestSummary, frozen=True, kw_only=True):
    """A request with what came of it: certificate, and chain from its issuer to below the root."""

    certificate: str | None
    chain: str | None


class RequestList(msgspec.Struct, frozen=True):
    """One page of a list; ``next`` is the address of the page after."""

    requests: list[RequestSummary]
    next: str | None


class BatchResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one submission of a batch: the request, or what is wrong with it."""

    request: Request | None = None
    problem: ProblemDetails | None = None


class BatchResults(msgspec.Struct, frozen=True):
    """What became of each submission of a batch, in their order."""

    results: list[BatchResult]


class Authority(msgspec.Struct, frozen=True):
    """An issuing CA. Fingerprints are SHA-256 of the certificate, in hex."""

    subject: str
    fingerprint: str
    not_before: datetime
    not_after: datetime
    chain: str
    root: str
    root_fingerprint: str


class AuthorityList(msgspec.Struct, frozen=True):
    """All issuing CAs, the one heard of last first."""

    issuers: list[Authority]


class Checkpoint(msgspec.Struct, frozen=True):
    """A signed head of the signer's audit; ``extends`` is the size of the one that it continues."""

    origin: str
    size: int
    root: str
    extends: int | None
    note: str
    key: str
    received_at: datetime


class CheckpointList(msgspec.Struct, frozen=True):
    """Signed heads of the signer's audit."""

    checkpoints: list[Checkpoint]


class Answer(Response):
    """An answer that goes out as it is: its length is known, and its addresses are our own, in ASCII.

    Werkzeug makes sure of both for every answer anew, and copies what it finds.
    """

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer."""
        start_response(self.status, self.headers.to_wsgi_list())
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [self.data]


def request_address(request_id: str) -> str:
    """Return a request's address in the API."""
    return f"/api/v1/requests/{request_id}"


def summary(found: Found) -> RequestSummary:
    """Return a request as a list has it."""
    return RequestSummary(**_common(found))


def request(found: Found) -> Request:
    """Return a request with its certificate."""
    certificate = None if found.certificate is None else formats.pem(found.certificate)
    chain = None if found.chain is None else found.chain.decode("ascii")
    return Request(**_common(found), certificate=certificate, chain=chain)


def authority(known: authorities.Authority) -> Authority:
    """Return an issuing CA."""
    own = known.chain[0]
    return Authority(
        subject=own.subject,
        fingerprint=known.fingerprint,
        not_before=own.not_before,
        not_after=own.not_after,
        chain="".join(certificate.pem for certificate in known.chain),
        root=known.root.pem,
        root_fingerprint=known.root.fingerprint,
    )


def checkpoint(known: checkpoints.Known) -> Checkpoint:
    """Return a signed head of the signer's audit."""
    return Checkpoint(**{name: getattr(known, name) for name in Checkpoint.__struct_fields__})


def json(
    body: msgspec.Struct | Mapping[str, object],
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return an answer with this body."""
    return Answer(
        msgspec.json.encode(body) + b"\n", status, headers=headers, mimetype="application/json"
    )


def _common(found: Found) -> dict[str, Any]:
    return {
        "id": found.id,
        "state": found.state.value,
        "revision": found.revision,
        "profile": found.profile,
        "reason": found.reason,
        "comment": found.comment,
        "requester": found.requester,
        "created_at": found.created_at,
        "changed_at": found.changed_at,
        "withdrawal_wished": found.withdrawal_wished,
        "url": request_address(found.id),
        "page": f"/requests/{found.id}",
    }
