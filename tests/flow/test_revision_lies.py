"""Lies about revisions, of a web host or a signer that is lost: they gain nothing and harm no other."""

import msgspec
import pytest
from sqlalchemy import select

from pipeline.messages import Outcome, OutcomeBatch
from pipeline.signer import operate
from pipeline.stages import DELIVER
from pipeline.states import State
from pipeline.web import tables as web_tables
from tests.flow.intruder import Intruder, audited, issued_names
from tests.flow.world import World


@pytest.fixture
def intruder(world: World) -> Intruder:
    return Intruder(world)


def assert_others_are_served(world: World) -> None:
    """All that is asked about is asked again together, with something new among it."""
    other = world.submit("host.test")
    world.purge()
    world.time.move(hours=2)
    world.sweep()
    assert not world.exchange.dead_letters
    assert world.states(other) == ("issued", "issued")


def test_who_says_that_the_signer_forgot_something_stops_signing_and_gains_nothing(
    world: World, intruder: Intruder
) -> None:
    """A false revision looks like a signer that was restored: it fails closed, and says so."""
    waits = intruder.submission("www.example.com")
    intruder.say(waits)
    intruder.say(msgspec.structs.replace(waits, known_revision=1000))

    assert intruder.state(waits) == "waiting_for_approval"
    with world.signer_database.read() as connection:
        assert operate.suspended(connection)
    intruder.say(intruder.submission("host.test"))
    assert issued_names(world) == []
    assert ("revision-raised", {"from": 1, "to": 1001}) in audited(world, waits.id)


def test_a_revision_that_no_request_reaches_stops_nothing_for_good(
    world: World, intruder: Intruder
) -> None:
    """Once the web side had it, the signer could not read what it asked, nor what it asked with it."""
    lied_about = world.submit("www.example.com", run=True)
    with world.web_database.read() as connection:
        csr = connection.scalar(
            select(web_tables.submissions.c.csr).where(
                web_tables.submissions.c.request_id == lied_about
            )
        )
    for known in (2**29, 2**30):
        intruder.say(intruder.submission(id=lied_about, csr=csr, known_revision=known))
        intruder.say(intruder.submission("www.example.com", known_revision=known))
    operate.resume(world.signer_database, "the key was replaced", "operator", world.time())
    assert_others_are_served(world)
    world.decide(lied_about, "accept")
    world.sweep()
    assert world.states(lied_about) == ("issued", "issued")


def test_the_largest_revision_of_all_harms_no_other_request(world: World) -> None:
    lied_about = world.submit("www.example.com", run=True)
    lie = Outcome(lied_about, 2**31 - 1, State.WAITING_FOR_APPROVAL, world.time())
    sealed = Intruder(world, "signer").sealed(DELIVER, OutcomeBatch([lie]))
    assert world.deliver(DELIVER, sealed)
    assert_others_are_served(world)
