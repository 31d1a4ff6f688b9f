"""What the tests of `httpca approve` share."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.approve.desk import Desk, open_desk
from settings.approver import load_approver
from tests.unit.approve.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A signer database with one issuing CA and nothing that waits."""
    world = World(tmp_path)
    yield world
    world.close()


@pytest.fixture
def folder(world: World) -> Path:
    """The folder of the approver named ``approver``."""
    return world.approver()


@pytest.fixture
def open_as(world: World) -> Iterator[Callable[[str], Desk]]:
    """Opens the desk of an approver, whose folder is made if need be."""
    desks: list[Desk] = []

    def open_(name: str) -> Desk:
        folder = world.folder / "approvers" / name
        if not folder.exists():
            world.approver(name)
        desks.append(open_desk(load_approver(folder)))
        return desks[-1]

    yield open_
    for desk in desks:
        desk.close()


@pytest.fixture
def desk(open_as: Callable[[str], Desk]) -> Desk:
    """The desk of the approver named ``approver``."""
    return open_as("approver")
