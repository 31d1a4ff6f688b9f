"""Decisions under way while their approver gets another certificate."""

from collections.abc import Callable

from pipeline.approve.carrier import Carrier
from pipeline.approve.desk import Desk
from pipeline.approve.outcome import Result
from tests.unit.approve.post import Post, spooled_ids, take
from tests.unit.approve.world import World, make


def test_what_was_signed_with_a_former_certificate_does_not_stand_in_the_way_of_a_decision(
    desk: Desk, world: World, open_as: Callable[[str], Desk]
) -> None:
    request_id = world.add()
    former = make(desk, request_id)
    world.renew("approver")
    later = open_as("approver")
    later.carrier = Carrier(lambda: Post())  # the signer takes the former certificate no more

    assert later.under_way(request_id) is None
    (answer,), _ = later.flush(timeout=0)
    assert answer.result is Result.NOT_CONFIRMED
    assert "decide anew" in answer.sentence

    anew = make(later, request_id, "reject", "This host is not ours.")
    assert spooled_ids(later) == [anew.message_id]  # the former one is not sent any more
    assert later.under_way(request_id) == anew
    later.carrier = Carrier(lambda: Post(deliver=lambda octets: take(world, anew)))
    (answer,) = later.confirm([anew], 10.0)
    assert answer.result is Result.COUNTED

    later.spool.add(former.message_id, former.octets)  # as if killed before it was taken out
    later.carrier = Carrier(lambda: Post())
    assert later.flush(timeout=0) == ([], [])
    assert spooled_ids(later) == []


def test_a_former_certificate_that_the_signer_still_takes_is_as_good(
    desk: Desk, world: World, open_as: Callable[[str], Desk]
) -> None:
    former = make(desk, world.add())
    world.renew("approver")
    later = open_as("approver")
    later.carrier = Carrier(lambda: Post(deliver=lambda octets: take(world, former)))

    answers, _ = later.flush()

    assert [answer.result for answer in answers] == [Result.COUNTED]
