"""From what somebody typed to one request."""

import pytest

from pipeline.approve.find import Ambiguous, NotFound, find
from tests.unit.approve.world import World

ONE = "01963d2a-0000-7000-8000-00000000000a"
TWO = "01963d2a-ffff-7000-8000-00000000000b"


@pytest.mark.parametrize(
    "typed", [ONE, ONE.upper(), "01963d2a-0", "01963d2a0000", "  01963d2a-0000-7000  "]
)
def test_an_id_or_the_beginning_of_one_finds_its_request(world: World, typed: str) -> None:
    world.add(request_id=ONE)
    world.add(request_id=TWO)
    assert find(world.database, typed).id == ONE


def test_the_beginning_of_several_lists_them(world: World) -> None:
    world.add(request_id=ONE)
    world.add(request_id=TWO)
    with pytest.raises(Ambiguous) as caught:
        find(world.database, "01963d2a")
    assert ONE in str(caught.value)
    assert TWO in str(caught.value)


def test_what_nobody_has_is_not_found(world: World) -> None:
    world.add(request_id=ONE)
    with pytest.raises(NotFound):
        find(world.database, "02000000")


@pytest.mark.parametrize("typed", ["", "019", "%", "not-an-id", "\x1b[2J0196", ONE + "00"])
def test_what_is_no_id_is_said_to_be_none(world: World, typed: str) -> None:
    world.add(request_id=ONE)
    with pytest.raises(Ambiguous) as caught:
        find(world.database, typed)
    assert "\x1b" not in str(caught.value)
