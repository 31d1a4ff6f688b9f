"""A world per test, on both databases."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.database.engine import Database, open_database
from pipeline.database.migrate import migrate
from tests.flow.audit_log import Log, empty
from tests.flow.things import metadata
from tests.flow.world import World

MakeWorld = Callable[..., World]
"""Takes what ``World`` takes besides its folder and databases."""


@pytest.fixture(params=["sqlite", "postgresql"])
def make_world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeWorld]:
    """Make worlds, each with databases of its own."""
    worlds: list[World] = []
    created: list[str] = []
    server = request.getfixturevalue("postgresql") if request.param == "postgresql" else None

    def make(**options: Any) -> World:
        directory = tmp_path / f"world-{len(worlds)}"
        urls = []
        if server is not None:
            for side in ("web", "signer"):
                created.append(f"{side}_{secrets.token_hex(6)}")
                urls.append(server.create_database(created[-1]))
        worlds.append(World(directory, *urls, **options))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()
    if server is not None:
        for name in created:
            server.drop_database(name)


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """A fresh world."""
    return make_world()


@pytest.fixture(params=["sqlite", "postgresql"], scope="module")
def signer_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """A signer database with its schema and nothing in it, on both kinds, for a module of tests."""
    name = f"signer_{secrets.token_hex(6)}"
    server = request.getfixturevalue("postgresql") if request.param == "postgresql" else None
    if server is not None:
        database = open_database(server.create_database(name))
    else:
        database = open_database(f"sqlite:///{tmp_path_factory.mktemp(name) / 'signer.db'}")
    migrate(database, "signer")
    yield database
    database.dispose()
    if server is not None:
        server.drop_database(name)


@pytest.fixture
def empty_log(signer_database: Database) -> Iterator[Log]:
    """A log without entries; what a test leaves behind is removed."""
    yield Log(signer_database)
    with signer_database.write() as connection:
        empty(connection)


@pytest.fixture(params=["sqlite", "postgresql"])
def things(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database with the tables of ``tests.flow.things``."""
    url = f"sqlite:///{tmp_path / 'things.db'}"
    if request.param == "postgresql":
        server = request.getfixturevalue("postgresql")
        url = server.create_database(f"things_{secrets.token_hex(6)}")
    opened = open_database(url, by_keys=True)
    metadata.create_all(opened.engine)
    yield opened
    opened.dispose()
