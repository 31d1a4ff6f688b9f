"""Every kind of problem that HTTP tells of (RFC 9457): its status and its title.

``/problems/SLUG`` is its ``type``, and a page that explains it.
"""

from typing import Final, NamedTuple

from pipeline.errors import N_


class Problem(NamedTuple):
    """A kind of problem: HTTP status, and a title that never changes with the occurrence."""

    status: int
    title: str


PROBLEMS: Final[dict[str, Problem]] = {
    # what cannot be read
    "not-a-csr": Problem(400, N_("This is not a CSR")),
    "private-key-sent": Problem(400, N_("This is a private key")),
    "broken-base64": Problem(400, N_("The CSR's text is damaged")),
    "two-csrs": Problem(400, N_("There is more than one CSR")),
    "two-inputs": Problem(400, N_("Text and file at once")),
    "malformed-json": Problem(400, N_("The body is not JSON")),
    "wrong-json": Problem(400, N_("The JSON does not fit")),
    "bad-parameter": Problem(400, N_("A parameter is wrong")),
    "bad-cursor": Problem(400, N_("The cursor is not one of ours")),
    "bad-idempotency-key": Problem(400, N_("The idempotency key cannot be used")),
    "form-expired": Problem(400, N_("The form has expired")),
    "bad-request": Problem(400, N_("The request cannot be understood")),
    # who asks
    "not-authenticated": Problem(401, N_("A token is needed")),
    "bad-token": Problem(401, N_("The token is not valid")),
    # what is not there, or not so
    "not-found": Problem(404, N_("There is nothing here")),
    "no-certificate": Problem(404, N_("There is no certificate")),
    "method-not-allowed": Problem(405, N_("The method is not allowed here")),
    "not-acceptable": Problem(406, N_("There is no such format")),
    "already-final": Problem(409, N_("The request has ended")),
    "idempotency-key-reused": Problem(409, N_("The idempotency key was used for something else")),
    "too-large": Problem(413, N_("This is too large")),
    "unsupported-media-type": Problem(415, N_("The content type is not one that is read")),
    # what is read and refused
    "bad-signature": Problem(422, N_("The CSR's signature is wrong")),
    "weak-signature": Problem(422, N_("The CSR's signature is weak")),
    "weak-key": Problem(422, N_("The key is weak")),
    "key-not-allowed": Problem(422, N_("The key is not allowed")),
    "invalid-name": Problem(422, N_("A name is not valid")),
    "no-names": Problem(422, N_("There are no names")),
    "too-many-names": Problem(422, N_("There are too many names")),
    "name-not-allowed": Problem(422, N_("A name is not allowed")),
    "subject-not-allowed": Problem(422, N_("The subject is not allowed")),
    "extension-not-allowed": Problem(422, N_("An extension is not allowed")),
    "unknown-profile": Problem(422, N_("There is no such profile")),
    "bad-comment": Problem(422, N_("The comment cannot be stored")),
    # who asks too often
    "too-many-requests": Problem(429, N_("That was too much at once")),
    # what is wrong with us
    "internal-error": Problem(500, N_("Something went wrong")),
    "database-unavailable": Problem(503, N_("The service is interrupted")),
    "ca-unknown": Problem(503, N_("The CA is not known yet")),
}
