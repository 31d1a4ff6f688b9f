"""What is said of certificates before they end, and when."""

from datetime import timedelta
from pathlib import Path

from structlog.testing import capture_logs

from pipeline.crypto.expiry import ExpiryWatch, Watched, of_messages
from pipeline.crypto.trust import Trust
from tests.factories import NOW
from tests.unit.crypto.message_world import SIGNER, WEB, MessageWorld

DAYS = [30.0, 14.0, 7.0, 3.0, 1.0]


def one(fingerprint: str = "a" * 64, days: float = 40) -> Watched:
    return Watched("own", "web", fingerprint, NOW + timedelta(days=days))


def test_each_mark_is_said_once_and_the_end_too() -> None:
    watch = ExpiryWatch(DAYS)
    said = []
    for hour in range(42 * 24):
        with capture_logs() as logs:
            watch.look([one()], NOW + timedelta(hours=hour))
        said += [(line["event"], line["log_level"], line["days_left"]) for line in logs]

    assert said == [
        *(("certificate-ends-soon", "warning", int(days)) for days in DAYS),
        ("certificate-ended", "error", 0),
    ]


def test_who_starts_late_says_at_once_how_many_days_are_left() -> None:
    with capture_logs() as logs:
        ExpiryWatch(DAYS).look([one(days=5.5), one("b" * 64, days=90)], NOW)
    assert [(line["owner"], line["days_left"]) for line in logs] == [("web", 5)]


def test_a_renewed_certificate_is_spoken_of_by_its_own_end() -> None:
    watch = ExpiryWatch(DAYS)
    with capture_logs() as logs:
        watch.look([one(days=2)], NOW)
        watch.look([one("b" * 64, days=2)], NOW)
    assert len(logs) == 2


def test_no_days_mean_that_only_the_end_is_said() -> None:
    with capture_logs() as logs:
        ExpiryWatch([]).look([one(days=1), one("b" * 64, days=-1)], NOW)
    assert [line["event"] for line in logs] == ["certificate-ended"]


def test_own_certificate_trusted_ones_and_the_message_ca_are_watched(tmp_path: Path) -> None:
    world = MessageWorld(tmp_path / "trusted")
    web = world.identity(WEB)
    world.identity(SIGNER, lifetime=timedelta(days=3))
    world.identity(SIGNER, lifetime=timedelta(days=300))

    found = of_messages(lambda: web, Trust(world.folder))

    ends = [(watched.use, watched.owner, watched.days_left(world.moment)) for watched in found]
    assert ends == [
        ("own", "web", 729),
        ("trusted", "signer", 299),  # the one that ends sooner was renewed by it
        ("trusted", "web", 729),
        ("message-ca", "CN=message CA", 20 * 365 - 1),
    ]
