"""A world per test, on both databases."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

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
