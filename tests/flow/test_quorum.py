"""Four approvers and one request each for all orders in which they may decide."""

from itertools import permutations

from sqlalchemy import select

from pipeline.signer.tables import decisions
from tests.flow.conftest import MakeWorld
from tests.flow.world import DECIDE, State, World

FOUR = ("anna", "bert", "carl", "dora")
POLICY = """
[approvers]
security = ["anna", "bert", "carl"]
[same_person]
anna = ["a.smith"]
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
        request_id = world.submit(f"h{number}.example.test", requester="a.smith", run=True)
        made = {name: world.decision(request_id, "accept", name) for name in order}
        for name in order:
            before = world.signer_row(request_id).state
            world.deliver(DECIDE, made[name])
            said = [one for one in order[: order.index(name) + 1] if one in ("bert", "carl")]
            expected = State.WAITING_FOR_SIGNATURE if len(said) == 2 else State.WAITING_FOR_APPROVAL
            assert world.signer_row(request_id).state == expected, (order, name, before)
        found = effects(world, request_id)
        second = max(order.index("bert"), order.index("carl"))
        for name, why in (("anna", "own-request"), ("dora", "not-admitted")):
            assert found[name] == (why if order.index(name) < second else "late")
        assert (found["bert"], found["carl"]) == ("counted", "counted")


def test_neither_the_requester_nor_an_outsider_rejects(make_world: MakeWorld) -> None:
    world = make_world(approvers=FOUR, policy=POLICY)
    request_id = world.submit("a.example.test", requester="anna", run=True)
    world.decide(request_id, "reject", "anna", reason="I thought better of it.")
    world.decide(request_id, "reject", "dora", reason="Not while I am here.")
    assert world.states(request_id) == (State.WAITING_FOR_APPROVAL, State.WAITING_FOR_APPROVAL)
    assert effects(world, request_id) == {"anna": "own-request", "dora": "not-admitted"}
    world.decide(request_id, "reject", "bert", reason="This name is not ours.")
    assert world.states(request_id) == (State.REJECTED, State.REJECTED)


def test_without_a_set_the_requester_is_no_approver_either(make_world: MakeWorld) -> None:
    world = make_world(approvers=FOUR, policy=POLICY)
    request_id = world.submit("a.other.test", requester="a.smith", run=True)
    world.decide(request_id, "accept", "anna")
    assert world.states(request_id)[1] == State.WAITING_FOR_APPROVAL
    world.decide(request_id, "accept", "dora")
    assert world.states(request_id)[1] == State.ISSUED
