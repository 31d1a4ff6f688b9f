"""The description of the API, in OpenAPI 3.1; a test holds it against the real answers."""

from typing import Any, Final

from pipeline.web.api_input import LARGEST_PAGE, LONGEST_WAIT, PAGE
from pipeline.web.known_problems import PROBLEMS
from pipeline.web.openapi_schemas import SCHEMAS, ref

CERTIFICATE_TYPES: Final = (
    "application/pem-certificate-chain",
    "application/x-pem-file",
    "application/pkix-cert",
    "application/pkcs7-mime",
)

_HEADERS: Final[dict[int, dict[str, str]]] = {
    401: {"WWW-Authenticate": "How to authenticate (RFC 6750)."},
    405: {"Allow": "The methods that the address answers."},
    415: {"Accept": "The content types that are read."},
    429: {"Retry-After": "Seconds after which to try again."},
    503: {"Retry-After": "Seconds after which to try again."},
}

_EVERYWHERE: Final = (401, 429, 500, 503)
"""Statuses that every call may answer with."""


def _problems(*statuses: int) -> dict[str, Any]:
    """Return the responses that tell of problems with these statuses."""
    return {
        str(status): {
            "description": _slugs(status),
            "headers": {
                name: {"description": text, "schema": {"type": "string"}}
                for name, text in _HEADERS.get(status, {}).items()
            },
            "content": {"application/problem+json": {"schema": ref("Problem")}},
        }
        for status in sorted({*statuses, *_EVERYWHERE})
    }


def _slugs(status: int) -> str:
    found = [f"`{slug}`" for slug, problem in PROBLEMS.items() if problem.status == status]
    return f"A problem: {', '.join(found)}."


def _json(schema: str, description: str, **headers: str) -> dict[str, Any]:
    return {
        "description": description,
        "headers": {
            name: {"description": text, "schema": {"type": "string"}}
            for name, text in headers.items()
        },
        "content": {"application/json": {"schema": ref(schema)}},
    }


def _octets(description: str, *types: str) -> dict[str, Any]:
    return {"description": description, "content": {media_type: {} for media_type in types}}


def _query(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


_ID: Final = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "The request's id.",
    "schema": {"type": "string", "format": "uuid"},
}
_PROFILE: Final = _query(
    "profile", "The profile, when the body is a bare CSR.", type="string", maxLength=200
)
_COMMENT: Final = _query(
    "comment", "For whoever approves it, when the body is a bare CSR.", type="string"
)
_IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": (
        "Sent again with the same body, the call answers with the request that the first one made."
        " Kept for a day by default. Anonymous callers share one space of keys: use a random one."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
}
_PREFER: Final = {
    "name": "Prefer",
    "in": "header",
    "description": (
        f"`wait=30` (RFC 7240) holds the answer until the state is final, at most {LONGEST_WAIT}"
        " seconds. Without `Preference-Applied` in the answer it was not held: too many are."
    ),
    "schema": {"type": "string"},
}

_OPTIONAL_TOKEN: Final[list[dict[str, list[str]]]] = [{}, {"token": []}]


def _submit() -> dict[str, Any]:
    return {
        "operationId": "submit",
        "summary": "Submit a CSR",
        "description": "Without a token only where the operator admits anonymous requesters.",
        "security": _OPTIONAL_TOKEN,
        "parameters": [_PROFILE, _COMMENT, _IDEMPOTENCY_KEY],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": ref("Submission")},
                "application/pkcs10": {},
                "application/x-pem-file": {},
            },
        },
        "responses": {
            "202": _json("Request", "Taken.", Location="The request's address."),
            **_problems(400, 409, 413, 415, 422),
        },
    }


def _submit_batch() -> dict[str, Any]:
    return {
        "operationId": "submitBatch",
        "summary": "Submit many CSRs",
        "description": (
            "Each submission has its own result, in their order, and one that is refused harms no"
            " other. Every one that is taken is a request of its own."
        ),
        "security": _OPTIONAL_TOKEN,
        "parameters": [_IDEMPOTENCY_KEY],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": ref("Batch")}},
        },
        "responses": {
            "202": _json("BatchResults", "Read; the results say what was taken."),
            **_problems(400, 413, 415),
        },
    }


def _listed() -> dict[str, Any]:
    return {
        "operationId": "list",
        "summary": "List one's own requests, the newest first",
        "security": [{"token": []}],
        "parameters": [
            {
                **_query("state", "Only requests in one of these states."),
                "schema": {"type": "array", "items": ref("State")},
                "explode": True,
            },
            _query("limit", "How many.", type="integer", minimum=1, maximum=LARGEST_PAGE)
            | {"example": PAGE},
            _query("cursor", "From the address `next` of the page before.", type="string"),
        ],
        "responses": {"200": _json("RequestList", "One page."), **_problems(400)},
    }


def _shown() -> dict[str, Any]:
    found = _json("Request", "The request.")
    found["headers"] = {
        "Preference-Applied": {
            "description": "The wait that was applied.",
            "schema": {"type": "string", "pattern": "^wait=[0-9]+$"},
        },
        "Retry-After": {
            "description": "There was no place to wait; seconds after which to ask again.",
            "schema": {"type": "string", "pattern": "^[0-9]+$"},
        },
    }
    return {
        "operationId": "show",
        "summary": "Show a request",
        "security": _OPTIONAL_TOKEN,
        "parameters": [_PREFER],
        "responses": {"200": found, **_problems(404)},
    }


def _withdraw() -> dict[str, Any]:
    return {
        "operationId": "withdraw",
        "summary": "Wish to withdraw a request",
        "description": "The signer decides whether the wish comes in time.",
        "security": _OPTIONAL_TOKEN,
        "responses": {"202": _json("Request", "The wish is noted."), **_problems(404, 409)},
    }


def _certificate() -> dict[str, Any]:
    return {
        "operationId": "certificate",
        "summary": "Fetch the certificate",
        "description": "PEM with the chain by default; DER and PKCS #7 hold what they are named for.",
        "security": _OPTIONAL_TOKEN,
        "responses": {
            "200": _octets("The certificate.", *CERTIFICATE_TYPES),
            **_problems(404, 406),
        },
    }


DOCUMENT: Final[dict[str, Any]] = {
    "openapi": "3.1.0",
    "info": {
        "title": "HttpCA",
        "version": "1",
        "summary": "Submit certification requests and fetch certificates.",
        "description": (
            "Errors are `application/problem+json` (RFC 9457). Their `type` is `/problems/SLUG`, and"
            " their `detail` says what to do, in the language of `Accept-Language`. An address that"
            " does not exist answers 404, and a method that an address does not know 405, likewise."
            " What is no HTTP, or far too large, is refused before it has an address, in plain text."
        ),
        "license": {"name": "MIT", "identifier": "MIT"},
    },
    "servers": [{"url": "/"}],
    "paths": {
        "/api/v1/requests": {"post": _submit(), "get": _listed()},
        "/api/v1/batches": {"post": _submit_batch()},
        "/api/v1/requests/{id}": {"parameters": [_ID], "get": _shown(), "delete": _withdraw()},
        "/api/v1/requests/{id}/certificate": {"parameters": [_ID], "get": _certificate()},
        "/api/v1/ca": {
            "get": {
                "operationId": "authorities",
                "summary": "List the issuing CAs with their chains and roots",
                "security": _OPTIONAL_TOKEN,
                "responses": {"200": _json("AuthorityList", "The CAs."), **_problems()},
            }
        },
        "/api/v1/audit/checkpoints": {
            "get": {
                "operationId": "checkpoints",
                "summary": "List the signed heads of the signer's audit, the newest first",
                "description": (
                    "Whoever keeps one can have it proved later (`httpca audit verify`) that nothing"
                    " in the audit was changed, removed or inserted before it."
                ),
                "security": _OPTIONAL_TOKEN,
                "parameters": [
                    _query("limit", "How many.", type="integer", minimum=1, maximum=LARGEST_PAGE)
                    | {"example": PAGE}
                ],
                "responses": {
                    "200": _json("CheckpointList", "The heads."),
                    **_problems(400),
                },
            }
        },
        "/api/v1/ca.pem": {
            "get": {
                "operationId": "root",
                "summary": "Fetch the root as PEM",
                "security": _OPTIONAL_TOKEN,
                "responses": {
                    "200": _octets("The root.", "application/pem-certificate-chain"),
                    **_problems(),
                },
            }
        },
        "/api/v1/openapi.json": {
            "get": {
                "operationId": "openapi",
                "summary": "Describe this API",
                "security": [{}],
                "responses": {
                    "200": {
                        "description": "This document.",
                        "content": {"application/json": {"schema": {"type": "object"}}},
                    },
                    "429": _problems()["429"],
                },
            }
        },
    },
    "components": {
        "schemas": SCHEMAS,
        "securitySchemes": {
            "token": {
                "type": "http",
                "scheme": "bearer",
                "description": "A token that the operator made with `httpca token create`.",
            }
        },
    },
}
"""The document that is served at ``/api/v1/openapi.json``."""
