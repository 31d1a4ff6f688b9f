"""Settings that both sides have."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from msgspec import Meta

from pipeline.errors import SettingsError
from settings.load import Settings

Seconds = Annotated[float, Meta(gt=0, le=30 * 86400)]
"""A time span in seconds."""

Days = Annotated[float, Meta(ge=0.01, le=3650)]
"""A time span in days."""

ExpiryDays = list[Annotated[float, Meta(gt=0, le=3650)]]
"""How many days before a certificate's end that is said, once at each."""

_EXPIRY_DAYS: Final = (30.0, 14.0, 7.0, 3.0, 1.0)


def default_expiry_days() -> list[float]:
    """Return how many days before a certificate's end that is said, unless the settings say it."""
    return list(_EXPIRY_DAYS)


QueueType = Literal["classic", "quorum"]
"""What RabbitMQ makes of our queues: one copy on one node, or several in a cluster that go on when
a node ends. It is chosen once: RabbitMQ refuses to make an existing queue another one."""

EMBEDDED = "memory:"
"""The broker of `httpca dev`: in memory, in one process."""


class Log(Settings, frozen=True):
    """How a process writes its log: JSON lines in production, readable in development."""

    format: Literal["json", "text"] = "json"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Keep(Settings, frozen=True):
    """For how many days what may be deleted is kept: heartbeats of processes that are gone, and
    attempts at what ended the process that worked on it. (Idempotency keys have
    ``http.idempotency_hours``.)"""

    heartbeat_days: Days = 1.0
    tries_days: Days = 30.0


class Worker(Settings, frozen=True):
    """How a worker works.

    ``batch`` is how many requests it takes at a time. ``lease`` is how long a claim on them lasts;
    longer than any batch takes. ``max_attempts`` is how many are made at what fails by itself, or
    kills its worker.
    """

    threads: Annotated[int, Meta(ge=1, le=16)] = 1
    batch: Annotated[int, Meta(ge=1, le=500)] = 400
    lease: Seconds = 30.0
    max_attempts: Annotated[int, Meta(ge=1, le=100)] = 3

    @property
    def lease_time(self) -> timedelta:
        """``lease`` as a time span."""
        return timedelta(seconds=self.lease)


def database_url(url: str, directory: Path, file: str, key: str = "database") -> str:
    """Return a database URL in which a relative SQLite path is below ``directory``.

    ``key`` is what the setting is called.

    Raises:
        SettingsError: the URL names no database that HttpCA works with.
    """
    if url.startswith("postgresql+psycopg://") and is_url(url):
        return url
    if url.startswith("sqlite:///") and url != "sqlite:///" and url.isprintable():
        path = url.removeprefix("sqlite:///")
        return "sqlite:///" + str((directory / path).resolve())
    raise SettingsError(
        directory / file,
        key,
        "is neither postgresql+psycopg://USER:PASSWORD@HOST:PORT/NAME nor sqlite:///data/FILE.db",
    )


def check_broker(url: str, directory: Path, file: str) -> None:
    """Raise ``SettingsError`` when a broker's URL is of no kind that HttpCA works with."""
    if url == EMBEDDED:
        return
    for one in url.split(";"):
        if not _names_a_broker(one):
            raise SettingsError(
                directory / file,
                "broker",
                f"is neither amqp://USER:PASSWORD@HOST:PORT/VHOST nor {EMBEDDED}",
            )


def is_url(url: str) -> bool:
    """Say whether a URL can be taken apart, into its host and port too, and the host be looked up."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it checks it
        (parts.hostname or "").encode("idna")  # as Python does for whoever connects
    except ValueError:
        return False
    return url.isprintable()


def _names_a_broker(url: str) -> bool:
    if not is_url(url):
        return False
    parts = urlsplit(url)
    whole_account = (parts.username is None) == (parts.password is None)
    return parts.scheme in ("amqp", "amqps") and bool(parts.hostname) and whole_account
