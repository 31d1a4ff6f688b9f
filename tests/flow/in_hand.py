"""What a test has in its hands: the clock, and every message that was ever published."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pipeline.broker.memory import Exchange


@dataclass
class Time:
    """A clock that a test moves."""

    moment: datetime = field(default_factory=lambda: datetime.now(UTC))  # noqa: TID251

    def __call__(self) -> datetime:
        self.moment += timedelta(microseconds=1)
        return self.moment

    def move(self, **span: float) -> None:
        """Move the clock."""
        self.moment += timedelta(**span)


@dataclass
class Recorder(Exchange):
    """An exchange that remembers every message that was ever published."""

    published: list[tuple[str, bytes]] = field(default_factory=list)

    def publish(self, name: str, octets: bytes) -> None:
        super().publish(name, octets)
        self.published.append((name, octets))
