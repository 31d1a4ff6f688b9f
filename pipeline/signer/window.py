"""Windows of time in which a rule matches: hours of days, on the clocks of a zone (pure)."""

import re
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_HOURS: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])")
_DAY: Final = 24 * 60


@lru_cache(maxsize=1024)
def hours(text: str) -> tuple[int, int]:
    """Read ``08:00-18:00``: return its first minute of the day, and the one after its last.

    Raises:
        ValueError: what was found and what is allowed.
    """
    found = _HOURS.fullmatch(text)
    if found is not None:
        begin, end = (int(found[n]) * 60 + int(found[n + 1]) for n in (1, 3))
        if end <= _DAY and begin != end:
            return begin, end
    raise ValueError(
        f"found {text!r}; write two different times of day, as in 08:00-18:00 or 22:00-06:00;"
        " 24:00 is the end of a day"
    )


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """Return the zone of an IANA name such as ``Europe/Berlin``.

    Raises:
        ValueError: this host knows no such zone.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"found {name!r}; write UTC or the IANA name of a zone that this host knows, as in"
            " Europe/Berlin (they come with the system's package tzdata)"
        ) from None


def holds(at: datetime, hours_text: str | None, days: Sequence[str] | None, zone_name: str) -> bool:
    """Return whether the moment lies in the window, by the clocks of the zone.

    Hours that end before they begin go on after midnight, and belong to the day that they began on.
    Where clocks are set back, an hour that comes twice is in the window twice.
    """
    local = at.astimezone(zone(zone_name))
    minute, day = local.hour * 60 + local.minute, local.date()
    if hours_text is not None:
        begin, end = hours(hours_text)
        if begin < end:
            if not begin <= minute < end:
                return False
        elif minute < end:
            day -= timedelta(days=1)
        elif minute < begin:
            return False
    return days is None or DAYS[day.weekday()] in days


def shown(at: datetime, zone_name: str) -> str:
    """Return the moment as a sentence names it: day and time of day in the zone."""
    local = at.astimezone(zone(zone_name))
    return f"{DAYS[local.weekday()]} {time(local.hour, local.minute):%H:%M} in {zone_name}"
