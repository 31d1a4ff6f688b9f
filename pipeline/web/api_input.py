"""What callers of the API send: bodies, parameters and preferences, read strictly."""

import re
from typing import Final, TypeVar

import msgspec
from flask import Request

from pipeline.crypto.visible import visible
from pipeline.errors import N_, RequesterError, Unreadable
from pipeline.states import State
from pipeline.web import idempotency
from pipeline.web.submit import Wish

LARGEST_BATCH: Final = 1000
"""Submissions in one call."""

LONGEST_WAIT: Final = 60
"""Seconds for which an answer is held at most."""

PAGE: Final = 50
LARGEST_PAGE: Final = 200

MALFORMED: Final = N_(
    "The body is not JSON: it goes wrong at line %(line)d, column %(column)d. Check quotes, commas"
    " and line breaks, which are written as \\n inside a string."
)
CUT_OFF: Final = N_("The body is not JSON: it ends too early.")
NOT_TEXT: Final = N_("The body is not JSON: it is not UTF-8 text.")
NOT_AN_OBJECT: Final = N_(
    'The body must be a JSON object such as {"csr": "-----BEGIN …", "profile": "server"}.'
)
NOT_A_STRING: Final = N_("The member “%(member)s” must be a string.")
MISSING: Final = N_("The member “%(member)s” is missing.")
UNKNOWN_MEMBER: Final = N_(
    "There is no member “%(member)s”. There are “csr”, “profile” and “comment”."
)
NOT_A_BATCH: Final = N_(
    'The body must be a JSON object {"requests": [ … ]} with a list of submissions.'
)
BATCH_SIZE: Final = N_("One call takes 1 to %(allowed)d submissions, and these are %(found)d.")
ONLY_JSON: Final = N_("The content type “%(found)s” is not read here. Send application/json.")
CONTENT_TYPE: Final = N_(
    "The content type “%(found)s” is not read here. Send application/json, application/pkcs10 (DER)"
    " or application/x-pem-file (PEM)."
)
BAD_STATE: Final = N_("There is no state “%(found)s”. There are: %(states)s.")
BAD_LIMIT: Final = N_("The limit must be a whole number from 1 to %(allowed)d.")


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A submission as JSON."""

    csr: str
    profile: str = ""
    comment: str = ""


class BatchBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Many submissions as JSON, each of which is read by itself."""

    requests: list[msgspec.Raw]


_DECODER: Final = msgspec.json.Decoder(Body)
_BATCH_DECODER: Final = msgspec.json.Decoder(BatchBody)
_B = TypeVar("_B", Body, BatchBody)
_WHERE: Final = re.compile(r"\(byte (\d+)\)")
_MEMBER: Final = re.compile(r"`\$\.(\w+)`")
_FIELD: Final = re.compile(r"field `(.*)`", re.DOTALL)
_WAIT: Final = re.compile(r'(?:^|[,;])\s*wait\s*=\s*"?(\d{1,9})"?\s*(?=$|[,;])', re.IGNORECASE)


def wish(request: Request, requester: str | None) -> Wish:
    """Read a submission, in whichever of its three forms it comes.

    Raises:
        RequesterError: ``unsupported-media-type``, ``malformed-json``, ``wrong-json`` or
            ``bad-idempotency-key``.
    """
    octets = request.get_data(cache=False)
    profile = comment = ""
    if request.query_string:
        profile, comment = (request.args.get(name, "") for name in ("profile", "comment"))
    key = request.headers.get("Idempotency-Key")
    once = None
    if key is not None:
        sent = (request.mimetype, profile, comment)
        once = idempotency.once(key, *(part.encode("utf-8", "replace") for part in sent), octets)
    match request.mimetype:
        case "application/json":
            body = read_json(octets)
            csr, profile, comment = body.csr.encode(), body.profile, body.comment
        case "application/pkcs10" | "application/x-pem-file":
            csr = octets
        case other:
            raise RequesterError("unsupported-media-type", CONTENT_TYPE, found=visible(other, 100))
    return Wish(csr, profile, "api", requester, comment, once)


def wishes(request: Request, requester: str | None) -> list[Wish | RequesterError]:
    """Read many submissions; in the place of one that cannot be read stands what is wrong with it.

    An ``Idempotency-Key`` is that of all of them, each with its place in the list.

    Raises:
        RequesterError: ``unsupported-media-type``, ``malformed-json``, ``wrong-json`` or
            ``bad-idempotency-key``.
    """
    octets = request.get_data(cache=False)
    if request.mimetype != "application/json":
        raise RequesterError(
            "unsupported-media-type", ONLY_JSON, found=visible(request.mimetype, 100)
        )
    items = _decoded(_BATCH_DECODER, octets).requests
    if not 1 <= len(items) <= LARGEST_BATCH:
        raise Unreadable("wrong-json", BATCH_SIZE, found=len(items), allowed=LARGEST_BATCH)
    key = request.headers.get("Idempotency-Key")
    found: list[Wish | RequesterError] = []
    for number, item in enumerate(items):
        once = None if key is None else idempotency.once(key, bytes(item), place=number)
        try:
            body = read_json(bytes(item))
        except RequesterError as error:
            found.append(error)
        else:
            csr = body.csr.encode()
            found.append(Wish(csr, body.profile, "api", requester, body.comment, once))
    return found


def read_json(octets: bytes) -> Body:
    """Read a submission as JSON.

    Raises:
        Unreadable: ``malformed-json`` says where, ``wrong-json`` which member.
    """
    return _decoded(_DECODER, octets)


def _decoded(decoder: msgspec.json.Decoder[_B], octets: bytes) -> _B:
    try:
        return decoder.decode(octets)
    except msgspec.ValidationError as error:
        raise _wrong(str(error), decoder.type) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise _malformed(str(error), octets) from None
    except UnicodeDecodeError:
        raise Unreadable("malformed-json", NOT_TEXT) from None


def _malformed(message: str, octets: bytes) -> Unreadable:
    where = _WHERE.search(message)
    if where is None:
        return Unreadable("malformed-json", CUT_OFF)
    before = octets[: int(where[1])]
    line = before.count(b"\n") + 1
    column = len(before) - (before.rfind(b"\n") + 1) + 1
    return Unreadable("malformed-json", MALFORMED, line=line, column=column)


def _wrong(message: str, expected: type[msgspec.Struct]) -> Unreadable:
    if expected is BatchBody:
        return Unreadable("wrong-json", NOT_A_BATCH)
    if field := _FIELD.search(message):
        template = UNKNOWN_MEMBER if "unknown field" in message else MISSING
        return Unreadable("wrong-json", template, member=visible(field[1], 70))
    if member := _MEMBER.search(message):
        return Unreadable("wrong-json", NOT_A_STRING, member=member[1])
    return Unreadable("wrong-json", NOT_AN_OBJECT)


def wait(request: Request) -> int | None:
    """Return for how many seconds the client prefers to wait (RFC 7240 section 4.3), at most 60.

    A preference that cannot be understood is none (section 2).
    """
    for line in request.headers.getlist("Prefer"):
        if found := _WAIT.search(line):
            return min(int(found[1]), LONGEST_WAIT)
    return None


def states(request: Request) -> list[State]:
    """Return the states that a list is limited to, each once, none for all.

    Raises:
        Unreadable: ``bad-parameter``.
    """
    wanted: dict[State, None] = {}
    for text in request.args.getlist("state"):
        try:
            wanted[State(text)] = None
        except ValueError:
            raise Unreadable(
                "bad-parameter", BAD_STATE, found=visible(text, 70), states=", ".join(State)
            ) from None
    return list(wanted)


def limit(request: Request) -> int:
    """Return how many requests a page of a list is to have.

    Raises:
        Unreadable: ``bad-parameter``.
    """
    text = request.args.get("limit", str(PAGE))
    found = int(text) if len(text) < 10 and text.isascii() and text.isdigit() else 0
    if not 1 <= found <= LARGEST_PAGE:
        raise Unreadable("bad-parameter", BAD_LIMIT, allowed=LARGEST_PAGE)
    return found
