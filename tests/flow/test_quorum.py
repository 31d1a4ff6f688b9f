"""Four approvers and one request each for all orders in which they may decide."""

from itertools import permutations

from sqlalchemy import select

from pipeline.signer.tables import decisions
from tests.flow.conftest import MakeWorld
from tests.flow.world import DECIDE, State, World

FOUR = ("approver-a", "approver-b", "approver-c", "approver-d")
POLICY = """
[approvers]
security = ["approver-a", "approver-b", "approver-c"]
[same_person]
approver-a = ["requester-a"]
[profiles.server]
extended_key_usage = ["server_auth"]
[[rules]]
name = "security decides"
every_name = ["*.example.test"]
action = "approve"
quorum = 2
approvers = "security"
"""


def effects(world: World, request_id: str) -> dict[str, str]:
    with world.signer_database.read() as connection:
        rows = connection.execute(
            select(decisions.c.approver, decisions.c.effect).where(
                decisions.c.request_id == request_id
            )
        )
        return {row.approver: row.effect for row in rows}


def test_in_every_order_two_of_the_set_approve_and_never_the_requester(
    make_world: MakeWorld,
) -> None:
    world = make_world(approvers=FOUR, policy=POLICY)
    for number, order in enumerate(permutations(FOUR)):
        request_id = world.submit(f"h{number}.example.test", requester="requester-a", run=True)
        made = {name: world.decision(request_id, "accept", name) for name in order}
        for name in order:
            before = world.signer_row(request_id).state
            world.deliver(DECIDE, made[name])
            said = [
                one for one in order[: order.index(name) + 1] if one in ("approver-b", "approver-c")
            ]
            expected = State.WAITING_FOR_SIGNATURE if len(said) == 2 else State.WAITING_FOR_APPROVAL
            assert world.signer_row(request_id).state == expected, (order, name, before)
        found = effects(world, request_id)
        second = max(order.index("approver-b"), order.index("approver-c"))
        for name, why in (("approver-a", "own-request"), ("approver-d", "not-admitted")):
            assert found[name] == (why if order.index(name) < second else "late")
        assert (found["approver-b"], found["approver-c"]) == ("counted", "counted")


def test_neither_the_requester_nor_an_outsider_rejects(make_world: MakeWorld) -> None:
    world = make_world(approvers=FOUR, policy=POLICY)
    request_id = world.submit("a.example.test", requester="approver-a", run=True)
    world.decide(request_id, "reject", "approver-a", reason="I thought better of it.")
    world.decide(request_id, "reject", "approver-d", reason="Not while I am here.")
    assert world.states(request_id) == (State.WAITING_FOR_APPROVAL, State.WAITING_FOR_APPROVAL)
    assert effects(world, request_id) == {"approver-a": "own-request", "approver-d": "not-admitted"}
    world.decide(request_id, "reject", "approver-b", reason="This name is not ours.")
    assert world.states(request_id) == (State.REJECTED, State.REJECTED)


def test_without_a_set_the_requester_is_no_approver_either(make_world: MakeWorld) -> None:
    world = make_world(approvers=FOUR, policy=POLICY)
    request_id = world.submit("a.other.test", requester="requester-a", run=True)
    world.decide(request_id, "accept", "approver-a")
    assert world.states(request_id)[1] == State.WAITING_FOR_APPROVAL
    world.decide(request_id, "accept", "approver-d")
    assert world.states(request_id)[1] == State.ISSUED
