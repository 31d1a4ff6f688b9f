"""Limits of a rule: how many requests it lets through in an hour or a day (pure)."""

import re
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

import msgspec

PERIODS: Final = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
"""Hours and days of UTC: each begins with a new count."""

MOST: Final = 10_000_000

_LIMIT: Final = re.compile(r"([1-9][0-9]{0,7})/(hour|day)")


class Limit(msgspec.Struct, frozen=True):
    """So many requests in each ``period`` (``hour`` or ``day``, of UTC)."""

    most: int
    period: str

    def begins(self, at: datetime) -> datetime:
        """Return when the period that holds ``at`` began."""
        begin = at.replace(minute=0, second=0, microsecond=0)
        return begin if self.period == "hour" else begin.replace(hour=0)

    def ends(self, at: datetime) -> datetime:
        """Return when the next period begins."""
        return self.begins(at) + PERIODS[self.period]

    def __str__(self) -> str:
        """Return it as a policy has it."""
        return f"{self.most}/{self.period}"


@lru_cache(maxsize=1024)
def parse(text: str) -> Limit:
    """Read ``100/hour`` or ``1000/day``.

    Raises:
        ValueError: what was found and what is allowed.
    """
    found = _LIMIT.fullmatch(text)
    if found is None or int(found[1]) > MOST:
        raise ValueError(
            f"found {text!r}; write how many in which time, as in 100/hour or 1000/day"
            f" (at most {MOST})"
        )
    return Limit(int(found[1]), found[2])
