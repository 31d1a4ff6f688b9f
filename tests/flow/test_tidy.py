"""What may be deleted is deleted, after the time that the settings say; all else stays."""

from datetime import timedelta
from typing import Any

from sqlalchemy import insert, select

from pipeline.database.heartbeat import beat
from pipeline.signer import tables as signer_tables
from pipeline.web import tables as web_tables
from pipeline.web.idempotency import once
from pipeline.web.intake import Intake
from pipeline.web.submit import Wish, submit
from tests import factories
from tests.flow.world import World


def column(database: Any, wanted: Any) -> set[str]:
    with database.read() as connection:
        return set(connection.scalars(select(wanted)))


def test_idempotency_keys_are_kept_as_long_as_they_are_honoured(world: World) -> None:
    def sent(key: str) -> str:
        wish = Wish(factories.csr(), "server", "api", None, once=once(key, b"body"))
        return submit(Intake(world.web_database), world.web.settings, wish, world.time).id

    first = sent("old")
    world.time.move(hours=world.web.settings.http.idempotency_hours / 2)
    second = sent("new")
    world.time.move(hours=world.web.settings.http.idempotency_hours / 2)
    world.web_clock.tidy()

    assert column(world.web_database, web_tables.idempotency_keys.c.key) == {"new"}
    assert sent("new") == second
    assert sent("old") != first


def test_heartbeats_of_processes_that_are_gone_are_forgotten(world: World) -> None:
    for database, tables, clock in (
        (world.web_database, web_tables, world.web_clock),
        (world.signer_database, signer_tables, world.signer_clock),
    ):
        beat(database, tables.heartbeats, "gone", world.time(), broker_ok=True)
        world.time.move(days=clock.side.settings.keep.heartbeat_days / 2)
        beat(database, tables.heartbeats, "here", world.time(), broker_ok=True)
        world.time.move(days=clock.side.settings.keep.heartbeat_days * 0.6)
        clock.tidy()
        assert column(database, tables.heartbeats.c.process) == {"here"}


def test_attempts_stay_while_they_count(world: World) -> None:
    for database, tables, clock in (
        (world.web_database, web_tables, world.web_clock),
        (world.signer_database, signer_tables, world.signer_clock),
    ):
        now, keep = world.time(), timedelta(days=clock.side.settings.keep.tries_days)
        begun = {"fresh": now - 0.9 * keep, "old": now - 1.1 * keep}
        rows = [{"item": one, "attempts": 2, "begun_at": at} for one, at in begun.items()]
        with database.write() as connection:
            connection.execute(insert(tables.tries), rows)
        clock.tidy()
        assert column(database, tables.tries.c.item) == {"fresh"}


def test_what_must_stay_stays_for_ever(world: World) -> None:
    issued = world.submit("host.test", run=True)
    waiting = world.submit("host.example.com", run=True)
    world.decide(waiting, "accept")
    rejected = world.submit("host.invalid", run=True)
    before = world.snapshot()

    world.time.move(days=5000)
    for clock in (world.web_clock, world.signer_clock):
        clock.tidy()

    assert world.snapshot() == before
    assert {world.states(one)[0] for one in (issued, waiting, rejected)} == {"issued", "rejected"}
