"""The signer does not sign while its clock is behind its own last entry."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, select

from pipeline.errors import ClockBehind
from pipeline.signer.tables import audit

TOLERANCE: Final = timedelta(seconds=5)
"""How far apart the clocks of several signer hosts may be."""


def ensure_not_behind(connection: Connection, now: datetime) -> None:
    """Compare our clock with the audit's last entry.

    Raises:
        ClockBehind: the clock was set back, or the entry was written by a clock that was ahead.
    """
    last = connection.scalar(select(audit.c.at).order_by(audit.c.id.desc()).limit(1))
    if last is not None and now < last - TOLERANCE:
        raise ClockBehind(
            f"our clock says {now:%Y-%m-%d %H:%M:%S} UTC, but our last audit entry is of "
            f"{last:%Y-%m-%d %H:%M:%S}; set the clock right, signing goes on by itself"
        )
