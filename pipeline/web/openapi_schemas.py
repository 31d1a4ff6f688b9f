"""The schemas of the API's description: what is sent and answered."""

from typing import Any, Final

from pipeline.states import State
from pipeline.web.api_input import LARGEST_BATCH
from pipeline.web.submit import LONGEST_COMMENT


def ref(name: str) -> dict[str, str]:
    """Return a reference to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def _object(description: str, **properties: Any) -> dict[str, Any]:
    """Return an object of which every property is always there, and no other."""
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _text(description: str, **further: Any) -> dict[str, Any]:
    return {"type": "string", "description": description, **further}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "type": [schema["type"], "null"]}


_PEM: Final = "^-----BEGIN CERTIFICATE-----\n"
_TIME: Final = {"format": "date-time"}
_FINGERPRINT: Final = {"pattern": "^[0-9a-f]{64}$"}

_SUMMARY: Final[dict[str, Any]] = {
    "id": _text("Made here; whoever knows an anonymous request's id may see it.", format="uuid"),
    "state": ref("State"),
    "revision": {
        "type": "integer",
        "minimum": 0,
        "description": "Counts the signer's changes of state.",
    },
    "profile": _text("What kind of certificate was asked for."),
    "reason": _text("Why it is in this state, in words; often empty."),
    "comment": _text("The requester's comment.", maxLength=LONGEST_COMMENT),
    "requester": _or_null(_text("Whose request it is; null when anonymous.")),
    "created_at": _text("When it was submitted.", **_TIME),
    "changed_at": _text("When its state last changed.", **_TIME),
    "withdrawal_wished": {
        "type": "boolean",
        "description": "Whether the requester wished to withdraw it.",
    },
    "url": _text("Its address in this API.", format="uri-reference"),
    "page": _text("Its address for people.", format="uri-reference"),
}

_AUTHORITY: Final[dict[str, Any]] = {
    "subject": _text("Of the issuing CA (RFC 4514)."),
    "fingerprint": _text("SHA-256 of the issuing CA's certificate.", **_FINGERPRINT),
    "not_before": _text("When it begins to be valid.", **_TIME),
    "not_after": _text("When it ends to be valid.", **_TIME),
    "chain": _text("PEM, from the issuing CA to below the root.", pattern=_PEM),
    "root": _text("PEM.", pattern=_PEM),
    "root_fingerprint": _text("SHA-256 of the root's certificate.", **_FINGERPRINT),
}

SCHEMAS: Final[dict[str, Any]] = {
    "State": {
        "type": "string",
        "enum": [state.value for state in State],
        "description": "`issued`, `rejected`, `withdrawn` and `expired` are final.",
    },
    "Submission": {
        "type": "object",
        "properties": {
            "csr": _text("The CSR as PEM."),
            "profile": _text("The profile; an unknown one is refused, saying which there are."),
            "comment": _text("For whoever approves the request.", maxLength=LONGEST_COMMENT),
        },
        "required": ["csr", "profile"],
        "additionalProperties": False,
    },
    "Batch": {
        "type": "object",
        "properties": {
            "requests": {
                "type": "array",
                "items": ref("Submission"),
                "minItems": 1,
                "maxItems": LARGEST_BATCH,
            }
        },
        "required": ["requests"],
        "additionalProperties": False,
    },
    "BatchResults": _object(
        "What became of each submission, in their order.",
        results={"type": "array", "items": ref("BatchResult")},
    ),
    "BatchResult": _object(
        "The request that a submission became, or the problem with it; the other one is null.",
        request={"anyOf": [ref("Request"), {"type": "null"}]},
        problem={"anyOf": [ref("Problem"), {"type": "null"}]},
    ),
    "Request": _object(
        "A request.",
        **_SUMMARY,
        certificate=_or_null(_text("PEM, once issued.", pattern=_PEM)),
        chain=_or_null(_text("PEM, from the issuing CA to below the root.", pattern=_PEM)),
    ),
    "RequestSummary": _object("A request without its certificate.", **_SUMMARY),
    "RequestList": _object(
        "One page of a list.",
        requests={"type": "array", "items": ref("RequestSummary")},
        next=_or_null(
            _text("The address of the page after, null on the last.", format="uri-reference")
        ),
    ),
    "Authority": _object("An issuing CA.", **_AUTHORITY),
    "AuthorityList": _object(
        "The issuing CAs, the one heard of last first.",
        issuers={"type": "array", "items": ref("Authority")},
    ),
    "Checkpoint": _object(
        "A signed head of the signer's audit.",
        origin=_text("Names the log; it follows from the key."),
        size={"type": "integer", "minimum": 0, "description": "How many entries it has."},
        root=_text("The root of its Merkle tree (RFC 9162), in hexadecimal.", **_FINGERPRINT),
        extends={
            "type": ["integer", "null"],
            "description": "The size of the one before it, when it was proved to continue that;"
            " null on the first, and where there was no proof.",
        },
        note=_text("The checkpoint as it was signed (C2SP tlog-checkpoint)."),
        key=_text("The verifier key (C2SP signed-note). Compare it with one from elsewhere."),
        received_at=_text("When the signer told it.", **_TIME),
    ),
    "CheckpointList": _object(
        "Signed heads of the signer's audit, the newest first.",
        checkpoints={"type": "array", "items": ref("Checkpoint")},
    ),
    "Problem": _object(
        "A problem (RFC 9457).",
        type=_text("The kind of problem.", pattern="^/problems/[a-z0-9-]+$"),
        title=_text("The kind of problem in words."),
        status={"type": "integer", "minimum": 400, "maximum": 599},
        detail=_text("What is wrong this time, and what to do."),
    ),
}
"""By name, under ``#/components/schemas``."""
