"""Durations as settings write them: a whole number and one unit."""

import re
from datetime import timedelta
from functools import lru_cache
from typing import Final

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}
_DURATION: Final = re.compile(r"(?P<count>[0-9]{1,9})(?P<unit>[smhdwy])")

MAX_SECONDS: Final = 100 * _UNITS["y"]


@lru_cache(maxsize=1024)
def parse(text: str) -> timedelta:
    """Read ``"90s"``, ``"5m"``, ``"12h"``, ``"90d"``, ``"2w"`` or ``"1y"`` (of 365 days).

    Raises:
        ValueError: what was found and what is allowed.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{text!r} is not a duration; write a whole number and s, m, h, d, w or y, as in 90d"
        )
    seconds = int(found["count"]) * _UNITS[found["unit"]]
    if seconds > MAX_SECONDS:
        raise ValueError(f"{text!r} is too long; 100y is the most")
    return timedelta(seconds=seconds)
