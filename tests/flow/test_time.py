"""Clocks that are wrong, and requests that are old."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from sqlalchemy import select
from structlog.testing import capture_logs

from pipeline.actors.patience import Patience
from pipeline.actors.signer.sign import sign
from pipeline.crypto.envelope import Received
from pipeline.crypto.identity import Sender
from pipeline.errors import BrokerUnavailable
from pipeline.messages import WakeUp
from pipeline.run.signer_clock import SignerClock
from pipeline.run.web_clock import WebClock
from pipeline.signer import authority
from pipeline.signer import tables as signer_tables
from pipeline.stages import SIGN, Role
from pipeline.web import tables as web_tables
from pipeline.web.withdraw import withdraw
from tests.flow.world import World


def wake_up(world: World) -> Received:
    return Received("id", SIGN, WakeUp(), Sender(Role.SIGNER, "signer"), world.time(), b"")


class Killed(BaseException):
    """The end of the process: nothing catches it."""


def die_before(step: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everybody do their work, and the signer's worker die of a step of `authority`."""

    def killed(*_: object) -> bytes:
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(authority, step, killed)
        with pytest.raises(Killed):
            world.run()


def test_the_signer_does_not_sign_while_its_clock_is_behind_its_last_entry(world: World) -> None:
    request = world.submit("host.test")
    with world.signing_suspended():
        world.run()
    world.time.moment -= timedelta(hours=3)

    sign(world.signer, Patience(), wake_up(world))
    assert world.signer_row(request).state == "waiting_for_signature"
    assert world.signer_row(request).attempts == 0

    world.time.moment += timedelta(hours=3)
    world.sweep()
    assert world.states(request) == ("issued", "issued")


def test_a_tbs_whose_validity_is_over_makes_the_request_fail(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = world.submit("host.test")
    die_before("sign", world, monkeypatch)
    world.time.move(days=400)
    world.sweep()

    assert world.states(request) == ("failed", "failed")
    assert "validity" in world.signer_row(request).reason


def test_after_a_crash_exactly_the_stored_bytes_are_signed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = world.submit("host.test")
    die_before("sign", world, monkeypatch)
    with world.signer_database.read() as connection:
        stored = connection.execute(signer_tables.tbs.select()).one()
    world.time.move(hours=1)
    world.sweep()

    certificate = x509.load_der_x509_certificate(world.certificate(request))
    assert certificate.tbs_certificate_bytes == stored.octets
    assert f"{certificate.serial_number:040x}" == stored.serial


def test_leases_survive_a_jump_of_the_clock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = [world.submit(f"host-{number}.test") for number in range(3)]
    die_before("sign", world, monkeypatch)
    world.sweep()
    assert {world.signer_row(one).state for one in requests} == {"waiting_for_signature"}

    world.time.move(hours=5)
    world.sweep()

    assert {world.states(request) for request in requests} == {("issued", "issued")}


def test_what_a_clock_far_ahead_has_put_off_is_found_again(world: World) -> None:
    request = world.submit("host.test")
    world.time.move(days=365)
    world.run(lambda name, octets: [] if name == "signer.policy" else [octets])
    world.time.move(days=-365)

    world.sweep()

    assert world.states(request) == ("issued", "issued")


def test_what_is_asked_of_a_web_host_whose_clock_is_ahead_goes_on_at_once(world: World) -> None:
    ahead = timedelta(minutes=9)
    world.time.moment += ahead
    signed, waiting = world.submit("host.test"), world.submit("host.example.com")
    world.time.moment -= ahead
    world.run()
    assert world.states(signed) == ("issued", "issued")
    assert world.states(waiting) == ("waiting_for_approval", "waiting_for_approval")

    withdraw(world.web_database, waiting, None, world.time() + ahead)
    world.web_clock.sweep()
    world.run()
    assert world.states(waiting) == ("withdrawn", "withdrawn")


def test_both_clocks_say_in_time_and_in_their_heartbeat_what_of_ours_ends(world: World) -> None:
    world.time.move(days=2 * 365 - 6.5)  # the sides' own certificates end in less than 7 days
    with capture_logs() as logs:
        for clock in (world.web_clock, world.signer_clock):
            clock.certificates()
            clock.certificates()
            clock.heartbeat()
    said = [
        (line["use"], line["owner"], line["days_left"])
        for line in logs
        if line["event"] == "certificate-ends-soon"
    ]
    assert said == [
        ("own", "web", 6),
        ("trusted", "signer", 6),
        ("own", "signer", 6),
        ("trusted", "web", 6),
    ]
    ended = [line["owner"] for line in logs if line["event"] == "certificate-ended"]
    assert ended == ["approver", "approver-2"]  # whose certificates are for one year
    for database, tables in (
        (world.web_database, web_tables),
        (world.signer_database, signer_tables),
    ):
        with database.read() as connection:
            (told,) = connection.scalars(
                select(tables.heartbeats.c.certificates).where(
                    tables.heartbeats.c.process.like("%-clock")
                )
            )
        assert {one["use"] for one in told} >= {"own", "trusted", "message-ca"}


def test_a_clock_without_a_broker_says_so_in_its_heartbeat_and_why_in_its_error(
    world: World,
) -> None:
    def away(*_: object) -> None:
        raise BrokerUnavailable("Connection refused")

    for clock, database, table in (
        (WebClock(replace(world.web, send=away)), world.web_database, web_tables.heartbeats),
        (
            SignerClock(replace(world.signer, send=away)),
            world.signer_database,
            signer_tables.heartbeats,
        ),
    ):
        with pytest.raises(BrokerUnavailable, match="Connection refused"):
            clock.heartbeat()
        with database.read() as connection:
            assert connection.scalars(select(table.c.broker_ok)).all() == [False]
