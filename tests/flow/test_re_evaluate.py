"""Requests that wait, under a new policy: their decisions are voided, and that shows everywhere."""

import pytest
from sqlalchemy import select

from pipeline.clock import Clock
from pipeline.signer.operate import NotFound, NotPossible
from pipeline.signer.policy_file import load
from pipeline.signer.re_evaluate import (
    Reevaluated,
    Terms,
    re_evaluate,
    waiting_under_another,
)
from pipeline.signer.tables import audit, decisions, submissions
from tests.flow.conftest import MakeWorld
from tests.flow.overtaken import overtake
from tests.flow.world import DECIDE, State, World

RULES = """
[profiles.server]
extended_key_usage = ["server_auth"]
[[rules]]
name = "two approvers"
every_name = ["*.test"]
action = "approve"
quorum = 2
"""
SIGNS = RULES.replace("quorum = 2\n", "").replace('"approve"', '"sign"')
REJECTS = RULES.replace("quorum = 2\n", 'reason = "No more."\n').replace('"approve"', '"reject"')
LONGER = RULES.replace("quorum = 2\n", 'quorum = 2\nexpires = "90d"\n')


def again(world: World, policy: str, *ids: str) -> list[Reevaluated]:
    world.policy_file.write_text(policy, "utf-8")
    issuer = world.signer.issuers.current.fingerprint
    terms = Terms(load(world.policy_file), lambda _profile: issuer, 30)
    clock: Clock = world.time
    return [
        re_evaluate(world.signer_database, terms, one, "an operator", clock())
        for one in ids or waiting_under_another(world.signer_database, terms.policy)
    ]


def effects(world: World, request_id: str) -> list[str]:
    with world.signer_database.read() as connection:
        return list(
            connection.scalars(
                select(decisions.c.effect)
                .where(decisions.c.request_id == request_id)
                .order_by(decisions.c.received_at)
            )
        )


def test_decisions_are_voided_and_their_approvers_decide_again(make_world: MakeWorld) -> None:
    world = make_world(policy=RULES)
    request_id = world.submit("a.test", run=True)
    world.decide(request_id, "accept", "approver")
    before = world.web_row(request_id).revision

    (done,) = again(world, LONGER)
    assert (done.state, done.rule, done.voided) == (
        State.WAITING_FOR_APPROVAL,
        "two approvers",
        1,
    )
    assert effects(world, request_id) == ["voided"]
    world.sweep()
    assert world.web_row(request_id).revision == before + 1
    assert world.web_row(request_id).state == State.WAITING_FOR_APPROVAL
    waits = world.signer_row(request_id).expires_at - world.time.moment
    assert 89 <= waits.days <= 90

    world.decide(request_id, "accept", "approver-2")
    assert world.states(request_id)[1] == State.WAITING_FOR_APPROVAL  # one of two again
    world.decide(request_id, "accept", "approver")
    assert world.states(request_id) == (State.ISSUED, State.ISSUED)


def test_a_decision_under_way_is_refused_even_when_the_rule_is_the_same(
    make_world: MakeWorld,
) -> None:
    world = make_world(policy=RULES)
    request_id = world.submit("a.test", run=True)
    under_way = world.decision(request_id, "accept", "approver")
    again(world, RULES, request_id)
    world.deliver(DECIDE, under_way)
    assert effects(world, request_id) == ["wrong-digest"]
    assert world.states(request_id)[1] == State.WAITING_FOR_APPROVAL


@pytest.mark.parametrize("make_world", ["postgresql"], indirect=True)
def test_a_decision_that_waits_for_the_re_evaluation_is_about_what_was_before(
    make_world: MakeWorld,
) -> None:
    """PostgreSQL reads a row anew that it waited for, but not those that it was joined with."""
    world = make_world(policy=RULES.replace("quorum = 2\n", ""))
    request_id = world.submit("a.test", run=True)
    under_way = world.decision(request_id, "accept", "approver")
    shorter = RULES.replace("quorum = 2\n", "").replace("_auth", '_auth", "client_auth')
    overtake(
        world.signer_database,
        lambda: again(world, shorter, request_id),
        lambda: world.deliver(DECIDE, under_way),
    )
    assert effects(world, request_id) == ["wrong-digest"]
    assert world.states(request_id)[1] == State.WAITING_FOR_APPROVAL


@pytest.mark.parametrize("make_world", ["postgresql"], indirect=True)
def test_of_two_re_evaluations_the_second_keeps_what_the_first_made(make_world: MakeWorld) -> None:
    world = make_world(policy=RULES)
    request_id = world.submit("a.test", run=True)
    overtake(
        world.signer_database,
        lambda: again(world, LONGER, request_id),
        lambda: again(world, RULES, request_id),
    )
    with world.signer_database.read() as connection:
        details = connection.scalars(
            select(audit.c.details).where(audit.c.event == "state-changed").order_by(audit.c.id)
        ).all()
    first, second = (entry for entry in details if entry["by"] == "re-evaluate")
    assert "re_evaluated" not in first["before"]["rule"]
    assert second["before"]["rule"]["re_evaluated"] == first["revision"]


def test_a_voided_decision_that_arrives_again_changes_nothing(make_world: MakeWorld) -> None:
    world = make_world(policy=RULES)
    request_id = world.submit("a.test", run=True)
    octets = world.decision(request_id, "accept", "approver")
    world.deliver(DECIDE, octets)
    again(world, LONGER)
    before = world.snapshot()
    world.deliver(DECIDE, octets)
    assert world.snapshot() == before


@pytest.mark.parametrize(("policy", "ends"), [(SIGNS, State.ISSUED), (REJECTS, State.REJECTED)])
def test_a_request_may_be_signed_or_rejected_by_the_new_rules(
    make_world: MakeWorld, policy: str, ends: State
) -> None:
    world = make_world(policy=RULES)
    request_id = world.submit("a.test", run=True)
    again(world, policy)
    world.sweep()
    assert world.states(request_id) == (ends, ends)
    assert world.audited(world.signer_database, audit, request_id)[1][0] == "waiting_for_approval"


def test_the_audit_keeps_what_earlier_decisions_were_about(make_world: MakeWorld) -> None:
    world = make_world(policy=RULES)
    request_id = world.submit("a.test", run=True)
    world.decide(request_id, "accept", "approver")
    with world.signer_database.read() as connection:
        before = connection.execute(select(submissions)).one()
    (done,) = again(world, LONGER)
    with world.signer_database.read() as connection:
        entry = connection.scalars(
            select(audit.c.details).where(audit.c.event == "state-changed").order_by(audit.c.id)
        ).all()[-1]
        after = connection.execute(select(submissions)).one()
    assert entry["by"] == "re-evaluate"
    assert entry["operator"] == "an operator"
    assert len(entry["voided"]) == done.voided == 1
    assert entry["before"]["rule"] == before.rule
    assert entry["before"]["profile"] == before.profile
    assert entry["policy"] == after.policy_digest != before.policy_digest
    assert after.rule["re_evaluated"] == 2


def test_only_what_waits_for_approval_is_re_evaluated(make_world: MakeWorld) -> None:
    world = make_world(policy=SIGNS)
    request_id = world.submit("a.test", run=True)
    with pytest.raises(NotPossible, match="is issued"):
        again(world, RULES, request_id)
    with pytest.raises(NotFound):
        again(world, RULES, "00000000-0000-4000-8000-000000000000")


def test_what_waits_under_this_very_policy_is_left_alone_when_all_are_meant(
    make_world: MakeWorld,
) -> None:
    world = make_world(policy=RULES)
    world.submit("a.test", run=True)
    assert again(world, RULES) == []
    assert len(again(world, LONGER)) == 1
    assert again(world, LONGER) == []
