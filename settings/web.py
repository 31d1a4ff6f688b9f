"""Settings of the web side: ``DIR/web/settings.toml``."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from pipeline.errors import SettingsError
from settings.common import (
    ExpiryDays,
    Keep,
    Log,
    QueueType,
    Seconds,
    Worker,
    check_broker,
    database_url,
    default_expiry_days,
)
from settings.load import FILE, Settings, load
from settings.transport import Tls, protected_broker, protected_database


class Http(Settings, frozen=True):
    """How process `web` serves.

    ``long_polls`` is how many answers may be held at once; it is kept below ``threads``, so that
    some thread is always free. ``max_body`` and ``max_batch_body`` are the largest bodies that are
    read, in bytes, the latter of `POST /api/v1/batches`. ``anonymous`` admits requesters without a
    token.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535)] = 8000
    threads: Annotated[int, Meta(ge=2, le=200)] = 32
    long_polls: Annotated[int, Meta(ge=0, le=190)] = 24
    anonymous: bool = False
    trusted_proxies: Annotated[int, Meta(ge=0, le=5)] = 0
    max_body: Annotated[int, Meta(ge=1024, le=16 * 1024 * 1024)] = 256 * 1024
    max_batch_body: Annotated[int, Meta(ge=1024, le=64 * 1024 * 1024)] = 4 * 1024 * 1024
    idempotency_hours: Annotated[float, Meta(gt=0, le=24 * 365)] = 24.0


class Limits(Settings, frozen=True):
    """How many HTTP requests are answered in a minute, by all processes `web` together: for each
    network ``address`` (IPv6: each /64), and for each known ``requester``. 0 is no limit.

    Each submission of a batch counts as one. Health, metrics and static files do not count.
    """

    address: Annotated[int, Meta(ge=0, le=100_000_000)] = 3000
    requester: Annotated[int, Meta(ge=0, le=100_000_000)] = 6000


class Ask(Settings, frozen=True):
    """When `relay` asks again for what the signer has not answered: after ``first``, then after
    ever ``factor`` times longer, at most every ``longest`` (seconds). Of requests that came in bulk it
    tells the signer so many at a time as ``in_bulk`` says, so that others need not wait behind all."""

    first: Seconds = 10.0
    factor: Annotated[float, Meta(ge=1, le=10)] = 2.0
    longest: Seconds = 3600.0
    in_bulk: Annotated[int, Meta(ge=1, le=100_000)] = 800


class Clock(Settings, frozen=True):
    """How often the clock does what it does, in seconds. ``poll`` is the slow look for new requests
    on PostgreSQL (where a notification comes first), ``poll_sqlite`` the quick one on SQLite.
    ``gather`` is for how long requests that follow one another wait to go on together, which costs less
    for each; ``gather_many`` is for how long at most, while many have no answer. A lone one never
    waits."""

    poll: Seconds = 5.0
    poll_sqlite: Seconds = 0.05
    gather: Seconds = 0.04
    gather_many: Seconds = 0.2
    sweep: Seconds = 5.0
    heartbeat: Seconds = 10.0
    tidy: Seconds = 3600.0
    certificates: Seconds = 3600.0


class WebSettings(Settings, frozen=True):
    """Everything in ``settings.toml`` of the web side.

    ``profiles`` are those that the form offers; the signer's policy alone decides what they mean.
    Of ``profiles_without_names`` a CSR may have a subject alone.
    ``message_passphrase_file`` holds the passphrase of the message key, when that is encrypted; a
    relative path is below the side's folder. ``expiry_days`` is how many days before a
    certificate's end that is said.
    """

    role: Literal["web"]
    database: str
    broker: str = "memory:"
    queue_type: QueueType = "classic"
    profiles: list[str] = msgspec.field(default_factory=lambda: ["server", "client"])
    profiles_without_names: list[str] = msgspec.field(default_factory=list)
    secret: str = ""
    message_passphrase_file: str = ""
    expiry_days: ExpiryDays = msgspec.field(default_factory=default_expiry_days)
    directory: str = ""
    http: Http = Http()
    limits: Limits = Limits()
    ask: Ask = Ask()
    worker: Worker = Worker()
    clock: Clock = Clock()
    tls: Tls = Tls()
    keep: Keep = Keep()
    log: Log = Log()


def load_web(directory: Path) -> WebSettings:
    """Read the web side's settings for a worker or clock.

    Raises:
        SettingsError: see ``settings.load``.
    """
    found = load(WebSettings, directory, "web")
    check_broker(found.broker, directory, FILE)
    if found.http.long_polls >= found.http.threads:
        raise SettingsError(
            directory / FILE,
            "http.long_polls",
            f"must be less than http.threads, which is {found.http.threads}",
        )
    database = database_url(found.database, directory, FILE)
    return msgspec.structs.replace(
        found,
        database=protected_database(database, found.tls, directory),
        broker=protected_broker(found.broker, found.tls, directory),
        directory=str(directory.resolve()),
    )


def load_http(directory: Path) -> WebSettings:
    """Read the web side's settings for process `web`, which has no access to the broker: the
    broker's URL is left out of what it gets."""
    return msgspec.structs.replace(load_web(directory), broker="")
