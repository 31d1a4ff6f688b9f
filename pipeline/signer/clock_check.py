"""The signer does not sign while its clock is behind its own last entry."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select

from pipeline.errors import ClockBehind
from pipeline.signer.tables import audit

TOLERANCE: Final = timedelta(seconds=5)
"""How far apart the clocks of several signer hosts may be."""


LAST_ENTRY: Final = select(audit.c.at).order_by(audit.c.id.desc()).limit(1).scalar_subquery()
"""The time of the audit's last entry, for a statement that asks for more; NULL when there is none."""


def ensure_not_behind(last: datetime | None, now: datetime) -> None:
    """Compare our clock with the time of the audit's last entry.

    Raises:
        ClockBehind: the clock was set back, or the entry was written by a clock that was ahead.
    """
    if last is not None and now < last - TOLERANCE:
        raise ClockBehind(
            f"our clock says {now:%Y-%m-%d %H:%M:%S} UTC, but our last audit entry is of "
            f"{last:%Y-%m-%d %H:%M:%S}; set the clock right, signing goes on by itself"
        )
