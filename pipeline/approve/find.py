"""From what somebody typed to the one request that it means: an id, or the beginning of one."""

import re
import uuid
from typing import Final

from pipeline.approve import waiting
from pipeline.approve.waiting import Request
from pipeline.crypto.visible import visible
from pipeline.database.engine import Database
from pipeline.errors import HttpcaError

SHORTEST: Final = 4
"""Hexadecimal digits that the beginning of an id must have."""

_SHOWN: Final = 5


class NotFound(HttpcaError):
    """No request has such an id."""


class Ambiguous(HttpcaError):
    """What was typed is no id, too short, or the beginning of several."""


def find(database: Database, typed: str) -> Request:
    """Return the request whose id is, or begins with, what was typed.

    Raises:
        NotFound: there is none.
        Ambiguous: it is no (beginning of an) id, or there are several; the sentence lists them.
    """
    digits = typed.strip().lower().replace("-", "")
    if not re.fullmatch(r"[0-9a-f]{1,32}", digits):
        raise Ambiguous(
            f"“{visible(typed, 60)}” is not an id. `httpca approve list` shows the ids."
        )
    if len(digits) < SHORTEST:
        raise Ambiguous(f"“{typed}” is too short: type {SHORTEST} digits of the id at least.")
    first, last = (str(uuid.UUID(digits.ljust(32, filler))) for filler in "0f")
    ids = waiting.ids_from(database, first, last, _SHOWN + 1)
    if len(ids) > 1:
        more = " …" if len(ids) > _SHOWN else ""
        raise Ambiguous(f"“{typed}” is the beginning of several: {', '.join(ids[:_SHOWN])}{more}.")
    request = waiting.get(database, ids[0]) if ids else None
    if request is None:
        raise NotFound(f"There is no request {typed} that an approver can see.")
    return request
