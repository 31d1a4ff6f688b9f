"""The one source of time.

Everything that asks for the time takes a ``Clock``, so that tests and simulations can move it.
"""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def now() -> datetime:
    """Return the current time: aware, in UTC, with microseconds."""
    return datetime.now(UTC)
