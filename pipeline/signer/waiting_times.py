"""How long a request waits for approvers, and when they are reminded of it, by its rule (pure)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pipeline.crypto import durations


def waiting_times(
    rule: Mapping[str, Any], days: float, now: datetime
) -> tuple[datetime, datetime | None]:
    """Return when a request that begins to wait now expires, and when to remind of it (or None).

    ``rule`` is the snapshot of its rule; ``days`` are for one that says nothing about it.
    """
    span = rule.get("expires")
    expires = durations.parse(span) if span is not None else timedelta(days=days)
    return now + expires, next_reminder(rule, now)


def next_reminder(rule: Mapping[str, Any], now: datetime) -> datetime | None:
    """Return when approvers are to be reminded next of a request that waits under this rule."""
    span = rule.get("remind_after")
    return None if span is None else now + durations.parse(span)
