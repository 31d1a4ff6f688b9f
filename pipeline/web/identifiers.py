"""Request ids: UUIDs of version 7 (RFC 9562 section 5.7).

They grow with time, which keeps indexes compact; their 74 random bits come from the system, so that
nobody guesses the id by which an anonymous request is reached.
"""

from datetime import datetime
from secrets import randbits
from uuid import UUID


def request_id(now: datetime) -> str:
    """Return a new id, made at ``now``."""
    milliseconds = int(now.timestamp() * 1000) & (2**48 - 1)
    upper, lower = divmod(randbits(74), 2**62)
    number = milliseconds << 80 | 0x7 << 76 | upper << 64 | 0b10 << 62 | lower
    return str(UUID(int=number))
