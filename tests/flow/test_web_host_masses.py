"""The web host is lost, and asks for masses: its rules sign no more than their limits."""

from datetime import timedelta

from sqlalchemy import select

from pipeline.messages import MAX_ITEMS
from pipeline.signer import tables as signer_tables
from pipeline.states import State
from tests.flow.conftest import MakeWorld
from tests.flow.intruder import Intruder, issued_names
from tests.flow.world import World

LIMITED = """
[[rules]]
name = "limited"
every_name = ["*.limited.example.com"]
action = "sign"
limit = ["3/hour", "5/day"]
"""


def test_a_rule_that_signs_at_once_signs_no_more_than_its_limits_and_that_is_audited(
    make_world: MakeWorld,
) -> None:
    """The signer counts, whatever ids, requesters and times the web side writes."""
    world = make_world(rules=LIMITED)
    world.time.move(days=1)
    world.time.moment = world.time.moment.replace(hour=12, minute=1)
    intruder = Intruder(world)

    def say(hour: int) -> list[str]:
        sent = [
            intruder.submission(
                f"h{hour}-{number}.limited.example.com",
                requester=f"somebody-{number}",
                submitted_at=world.time() - timedelta(hours=9 * number),
            )
            for number in range(20)
        ]
        intruder.say(*sent[:10])
        for one in sent[10:]:
            intruder.say(one)
        return [intruder.state(one) for one in sent]

    first = say(0)
    world.time.move(hours=1)
    second = say(1)
    world.time.move(hours=1)
    third = say(2)

    assert [states.count("issued") for states in (first, second, third)] == [3, 2, 0]
    assert {*first, *second, *third} == {"issued", "rejected"}
    assert len(issued_names(world)) == 5
    with world.signer_database.read() as connection:
        audit = signer_tables.audit
        reached = connection.scalars(
            select(audit.c.details).where(audit.c.event == "rule-limit-reached")
        ).all()
    assert {(one["rule"], one["limit"]) for one in reached} == {
        ("limited", "3/hour"),
        ("limited", "5/day"),
    }


def test_many_requests_give_nothing_that_one_would_not(world: World) -> None:
    """How many a rule signs in an hour is the matter of that rule's limit."""
    intruder = Intruder(world)
    batches = [
        [intruder.submission(f"host-{batch}-{number}.example.com") for number in range(MAX_ITEMS)]
        for batch in range(2)
    ]
    for batch in batches:
        intruder.say(*batch)

    states = {intruder.state(one) for batch in batches for one in batch[::50]}
    assert states == {"waiting_for_approval"}
    assert issued_names(world) == []
    assert world.signer_row(batches[-1][-1].id).state == State.WAITING_FOR_APPROVAL
