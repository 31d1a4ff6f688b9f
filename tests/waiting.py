"""Waiting for what other threads or processes are to bring about."""

import time
from collections.abc import Callable
from typing import Final

NOT_FOR_EVER: Final = 240.0
"""Seconds; against hanging only."""


def wait_until(condition: Callable[[], object]) -> None:
    """Return as soon as the condition holds; fail when it does not in a very long time."""
    deadline = time.monotonic() + NOT_FOR_EVER
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
