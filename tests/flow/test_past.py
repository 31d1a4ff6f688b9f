"""What approvers are told of the past follows from what was asked and issued."""

from collections.abc import Iterator

import pytest

from pipeline.approve import waiting
from pipeline.approve.desk import Desk
from pipeline.approve.past import Past
from pipeline.crypto import names
from tests import factories
from tests.flow.conftest import MakeWorld
from tests.flow.desks import open_as_approver, open_desk
from tests.flow.world import World

HOSTS = ("www.example.com", "new.example.com")


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world()


@pytest.fixture
def desk(world: World) -> Iterator[Desk]:
    database = open_as_approver(world)
    yield open_desk(world, database, "approver")
    database.dispose()


def past(desk: Desk, request_id: str) -> Past:
    request = waiting.get(desk.database, request_id)
    assert request is not None
    found = desk.look(request).past
    assert found is not None
    return found


def test_an_approver_is_told_what_came_before(world: World, desk: Desk) -> None:
    www, new = (names.dns(host) for host in HOSTS)
    csr = factories.csr(names=[f"DNS:{HOSTS[0]}"], key_kind="ec:P-256")
    first = world.submit(csr=csr, requester="ci", run=True)
    assert past(desk, first) == Past(True, (www,), False, False)
    world.decide(first, "accept")
    assert world.states(first) == ("issued", "issued")

    both = factories.csr(names=[f"DNS:{host}" for host in HOSTS], key_kind="ec:P-256")
    again = world.submit(csr=both, requester="ci", run=True)
    assert past(desk, again) == Past(False, (new,), False, True)
    other = factories.csr(names=[f"DNS:{HOSTS[0]}"], key_kind="ec:P-384")
    assert past(desk, world.submit(csr=other, requester="team", run=True)) == Past(
        True, (), False, False
    )
    somebody = world.submit(csr=both, requester="team", run=True)
    assert past(desk, somebody) == Past(False, (new,), True, True)
