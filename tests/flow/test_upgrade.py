"""A rolling upgrade: releases side by side, with messages of a later version and a later schema."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import inspect

from pipeline import messages
from pipeline.database import migrate as migrations
from pipeline.database.engine import Database
from pipeline.errors import SettingsError
from tests.flow.conftest import MakeWorld
from tests.flow.world import DECIDE, DELIVER, POLICY, RELAY, SIGN, TRANSMIT, World

OURS = messages.VERSION
LATER = OURS + 1


@contextmanager
def upgraded(name: str, value: Any) -> Iterator[None]:
    """Let what is done meanwhile be done by a later release."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(messages, name, value)
        yield


def read_both() -> Any:
    return upgraded("READABLE_VERSIONS", frozenset({OURS, LATER}))


def refused(world: World) -> set[tuple[str, str]]:
    return {(queue, reason) for queue, reason, _ in world.exchange.dead_letters}


def settle(world: World) -> None:
    for _ in range(4):
        world.time.move(hours=2)
        world.sweep()


def test_a_signer_that_is_behind_refuses_and_is_asked_again_once_it_is_upgraded(
    world: World,
) -> None:
    request = world.submit("host.test")
    for _ in range(3):  # the web side was upgraded first
        with upgraded("VERSION", LATER), read_both():
            world.wake(RELAY)
        for octets in world.waiting(POLICY):
            world.deliver(POLICY, octets)
        world.time.move(hours=2)
    assert world.states(request) == ("relayed", None)
    assert refused(world) == {("signer.policy", "unknown-version")}

    with read_both():
        settle(world)
    assert world.states(request) == ("issued", "issued")
    assert len(world.certificate(request)) > 0


def test_a_web_side_that_is_behind_refuses_and_is_told_again_once_it_is_upgraded(
    world: World,
) -> None:
    request = world.submit("host.test")
    world.wake(RELAY)
    with upgraded("VERSION", LATER):  # the signer's workers were upgraded first
        with read_both():
            for stage in (POLICY, SIGN, TRANSMIT):
                for octets in world.waiting(stage):
                    world.deliver(stage, octets)
            world.wake(SIGN)
            world.wake(TRANSMIT)
        for octets in world.waiting(DELIVER):
            world.deliver(DELIVER, octets)
    assert world.states(request) == ("relayed", "issued")
    assert refused(world) == {("web.deliver", "unknown-version")}

    with read_both():
        settle(world)
    assert world.states(request) == ("issued", "issued")
    world.certificate(request)


def test_a_decision_of_a_later_version_is_refused_and_counts_when_it_comes_again(
    world: World,
) -> None:
    """The approver's spool sends the very same message until the signer's database shows it."""
    request = world.submit("host.example.com", run=True)
    with upgraded("VERSION", LATER):
        decision = world.decision(request, "accept")
    assert not world.deliver(DECIDE, decision)
    assert ("signer.decide", "unknown-version") in refused(world)
    assert world.states(request)[1] == "waiting_for_approval"

    with read_both():
        world.deliver(DECIDE, decision)
        settle(world)
    assert world.states(request) == ("issued", "issued")


@pytest.fixture
def later(tmp_path: Path) -> dict[migrations.Side, Config]:
    """The migrations of a release that adds a column that may be empty, a table and an index."""
    made: dict[migrations.Side, Config] = {}
    for side in ("web", "signer"):
        folder = tmp_path / f"later-{side}"
        shutil.copytree(str(files("pipeline") / side / "migrations"), folder)
        (folder / "versions" / "9998_expand.py").write_text(
            EXPAND.format(side=side, before=migrations.head(side))
        )
        config = Config()
        config.set_main_option("script_location", str(folder))
        config.set_main_option("path_separator", "os")
        made[side] = config
    return made


EXPAND = """
import sqlalchemy as sa
from alembic import op

revision = "{side}_9998"
down_revision = "{before}"


def upgrade() -> None:
    op.add_column("requests", sa.Column("added", sa.Text()))
    op.create_table("added", sa.Column("id", sa.Integer(), primary_key=True))
    op.create_index("ix_requests_added", "requests", ["added"])
"""


def expand(database: Database, config: Config) -> None:
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def test_running_processes_go_on_while_and_after_a_later_release_expands_the_schema(
    world: World, later: dict[migrations.Side, Config]
) -> None:
    issued = world.submit("before.test", run=True)
    waiting = world.submit("waits.example.com", run=True)
    under_way = world.submit("under-way.test")
    for side, database in databases(world):
        expand(database, later[side])
        with database.read() as connection:
            assert "added" in inspect(connection).get_table_names()
    world.run()
    after = world.submit("after.test", run=True)
    world.decide(waiting, "accept")
    settle(world)

    for request in (issued, waiting, under_way, after):
        assert world.states(request) == ("issued", "issued")
        world.certificate(request)


def test_a_process_of_this_release_starts_on_a_schema_that_a_later_one_expanded(
    world: World, later: dict[migrations.Side, Config]
) -> None:
    for side, database in databases(world):
        expand(database, later[side])
        migrations.check(database, side)
        migrations.migrate(database, side)
        assert migrations.current(database, side) == f"{side}_9998"
    assert world.states(world.submit("host.test", run=True)) == ("issued", "issued")


def test_a_schema_that_a_later_release_contracted_is_refused_with_what_to_do(
    make_world: MakeWorld,
) -> None:
    """Such a revision says which one it needs of those who work with it."""
    world = make_world()
    for side, database in databases(world):
        own = migrations.head(side)
        number = int(own.split("_")[1])
        for revision, works in (
            (f"{side}_9999_needs_{number:04}", True),
            (f"{side}_9999_needs_{number + 1:04}", False),
        ):
            with database.write() as connection:
                connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{revision}'")
            for use in (migrations.check, migrations.migrate, migrations.current):
                if works:
                    use(database, side)
                    continue
                with pytest.raises(SettingsError, match="install that release"):
                    use(database, side)


def databases(world: World) -> list[tuple[migrations.Side, Database]]:
    return [("web", world.web_database), ("signer", world.signer_database)]
