"""A decision is repeated until the signer's database shows it, and its outcome is told."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from sqlalchemy.exc import OperationalError

from pipeline.approve.carrier import Carrier, carrier_of
from pipeline.approve.confirm import Confirmer
from pipeline.approve.desk import Desk
from pipeline.approve.outcome import EXIT, Answer, Result, exit_code
from pipeline.approve.spool import Spooled
from pipeline.states import State
from tests.unit.approve.post import Post, spooled_ids, take
from tests.unit.approve.world import World, decided, make


@dataclass
class Time:
    """A clock that sleeping moves; ``then`` happens when its time has come."""

    now: float = 0.0
    then: list[tuple[float, Callable[[], object]]] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for due in [entry for entry in self.then if entry[0] <= self.now]:
            self.then.remove(due)
            due[1]()


def confirm(
    desk: Desk, decisions: Sequence[Spooled], post: Post, time: Time, timeout: float = 10.0
) -> list[Answer]:
    confirmer = Confirmer(
        desk.database, desk.spool, Carrier(lambda: post), desk.me, time.monotonic, time.sleep
    )
    return confirmer.confirm(decisions, timeout)


def test_a_decision_that_counts_is_confirmed_and_leaves_the_spool(desk: Desk, world: World) -> None:
    spooled = make(desk, world.add())
    post, time = Post(deliver=lambda octets: take(world, spooled)), Time()
    (answer,) = confirm(desk, [spooled], post, time)
    assert (answer.result, answer.exit_code) == (Result.COUNTED, 0)
    assert answer.sentence == "Accepted: your decision is recorded and stands."
    assert answer.message_id == spooled.message_id
    assert post.sent == [spooled.octets]
    assert spooled_ids(desk) == []


def test_a_lost_message_is_published_again_at_growing_intervals(desk: Desk, world: World) -> None:
    spooled = make(desk, world.add())
    post, time = Post(), Time()
    time.then.append((15.0, lambda: world.receive(spooled)))
    (answer,) = confirm(desk, [spooled], post, time, timeout=60)
    assert answer.result is Result.COUNTED
    assert len(post.sent) == 4  # at 0, 2, 6 and 14 seconds
    assert set(post.sent) == {spooled.octets}


def test_what_is_not_confirmed_in_time_stays_in_the_spool_and_is_said_so(
    desk: Desk, world: World
) -> None:
    spooled = make(desk, world.add())
    time = Time()
    (answer,) = confirm(desk, [spooled], Post(), time)
    assert (answer.result, answer.exit_code) == (Result.NOT_CONFIRMED, 5)
    assert "stays in the spool, and the next `httpca approve` sends it again" in answer.sentence
    assert "no longer trust your certificate" in answer.sentence
    assert 10 <= time.now < 11
    assert spooled_ids(desk) == [spooled.message_id]


def test_a_decision_is_sent_once_even_without_time(desk: Desk, world: World) -> None:
    post = Post()
    confirm(desk, [make(desk, world.add())], post, Time(), timeout=0)
    assert len(post.sent) == 1


def test_a_broker_that_is_away_for_a_while_only_delays(desk: Desk, world: World) -> None:
    spooled = make(desk, world.add())
    post, time = Post(deliver=lambda octets: take(world, spooled), down=2), Time()
    (answer,) = confirm(desk, [spooled], post, time)
    assert answer.result is Result.COUNTED
    assert post.closed == 2  # each failure opens a new connection
    assert time.now >= 6


def test_a_broker_that_stays_away_is_named(desk: Desk, world: World) -> None:
    spooled = make(desk, world.add())
    (answer,) = confirm(desk, [spooled], Post(down=99), Time())
    assert answer.result is Result.NOT_CONFIRMED
    assert "The broker did not take it (no connection)." in answer.sentence
    assert spooled_ids(desk) == [spooled.message_id]


def test_of_two_approvers_with_different_verdicts_the_later_is_told_who_decided_what_and_when(
    world: World, open_as: Callable[[str], Desk]
) -> None:
    one, two = open_as("one"), open_as("two")
    request_id = world.add()
    accepting, rejecting = make(one, request_id), make(two, request_id, "reject", "unknown host")
    assert world.receive(rejecting) == "counted"
    assert world.receive(accepting) == "late"
    (first,) = confirm(two, [rejecting], Post(), Time())
    (later,) = confirm(one, [accepting], Post(), Time())
    assert (first.result, first.exit_code) == (Result.COUNTED, 0)
    assert first.sentence == "Rejected: your decision is recorded and stands."
    assert (later.result, later.exit_code) == (Result.DECIDED_OTHERWISE, 4)
    when = f"{rejecting.decision.decided_at:%Y-%m-%d %H:%M} UTC"
    assert later.sentence == (
        "Your decision is recorded, came too late, and changes nothing."
        f" It was rejected by two on {when}: “unknown host”"
    )
    assert spooled_ids(one) == spooled_ids(two) == []


def test_of_two_approvers_with_the_same_verdict_both_are_done(
    world: World, open_as: Callable[[str], Desk]
) -> None:
    one, two = open_as("one"), open_as("two")
    request_id = world.add()
    mine, other = make(one, request_id), make(two, request_id)
    world.receive(other)
    world.receive(mine)
    (answer,) = confirm(one, [mine], Post(), Time())
    assert (answer.result, answer.exit_code) == (Result.DECIDED_ALIKE, 0)
    assert "It was accepted by two on" in answer.sentence
    assert "Your decision says the same and is recorded." in answer.sentence


def test_a_digest_that_no_longer_fits_is_told(desk: Desk, world: World) -> None:
    spooled = make(desk, world.add())
    world.record(spooled.decision, effect="wrong-digest", message_id=spooled.message_id)
    (answer,) = confirm(desk, [spooled], Post(), Time())
    assert (answer.result, answer.exit_code) == (Result.CHANGED, 1)
    assert answer.sentence.startswith("Refused: the request is not, or no longer, what you were")
    assert spooled_ids(desk) == []


def test_a_withdrawn_request_is_told(desk: Desk, world: World) -> None:
    spooled = make(desk, world.add())
    world.move(spooled.decision.request_id, State.WITHDRAWN)
    world.receive(spooled)
    (answer,) = confirm(desk, [spooled], Post(), Time())
    assert answer.exit_code == 4
    assert "Its requester withdrew it on 2026-03-01 12:05 UTC." in answer.sentence


@pytest.mark.parametrize(
    ("effect", "result"),
    [
        ("unknown-request", Result.UNKNOWN),
        ("without-reason", Result.NOT_POSSIBLE),
        ("overdue", Result.NOT_POSSIBLE),
    ],
)
def test_what_the_signer_refuses_is_told(
    desk: Desk, world: World, effect: str, result: Result
) -> None:
    spooled = make(desk, world.add())
    world.record(spooled.decision, effect=effect, message_id=spooled.message_id)
    (answer,) = confirm(desk, [spooled], Post(), Time())
    assert answer.result is result


@pytest.mark.parametrize(("before", "code"), [("accept", 0), ("reject", 4)])
def test_who_decides_again_is_told_what_they_said_before(
    desk: Desk, world: World, before: str, code: int
) -> None:
    spooled = make(desk, world.add())
    request_id = spooled.decision.request_id
    world.record(decided(request_id, before, "my reason"), desk.me)
    world.move(request_id, State.WAITING_FOR_APPROVAL)
    world.record(spooled.decision, effect="repeated", message_id=spooled.message_id)
    (answer,) = confirm(desk, [spooled], Post(), Time())
    assert answer.exit_code == code
    assert f"You {before}ed it on 2026-03-01 12:00 UTC." in answer.sentence


def test_a_decision_that_needs_another_approver_is_said_to_wait(desk: Desk, world: World) -> None:
    spooled = make(desk, world.add())
    world.receive(spooled)
    world.move(spooled.decision.request_id, State.WAITING_FOR_APPROVAL)
    (answer,) = confirm(desk, [spooled], Post(), Time())
    assert answer.result is Result.COUNTED
    assert "waits for further approvers" in answer.sentence


def test_many_decisions_are_sent_together_and_each_gets_its_own_answer(
    desk: Desk, world: World
) -> None:
    made = [make(desk, world.add()) for _ in range(3)]
    world.record(decided(made[1].decision.request_id, "reject", "no"), "other")

    def deliver(octets: bytes) -> None:
        world.receive(next(one for one in made if one.octets == octets))

    answers = confirm(desk, made, Post(deliver=deliver), Time())
    assert [answer.exit_code for answer in answers] == [0, 4, 0]
    assert exit_code(answers) == 4


def test_ctrl_c_while_waiting_leaves_the_decision_in_the_spool(desk: Desk, world: World) -> None:
    spooled = make(desk, world.add())

    def interrupt() -> None:
        raise KeyboardInterrupt

    (answer,) = confirm(desk, [spooled], Post(), Time(then=[(1.0, interrupt)]))
    assert answer.result is Result.NOT_CONFIRMED
    assert spooled_ids(desk) == [spooled.message_id]


def test_a_database_that_is_away_while_waiting_is_waited_for(
    desk: Desk, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.approve import waiting

    spooled = make(desk, world.add())
    world.receive(spooled)
    recorded, failures = waiting.recorded, [1, 2, 3]

    def failing(*arguments: object) -> object:
        if failures:
            failures.pop()
            raise OperationalError("SELECT", {}, Exception("no connection"))
        return recorded(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(waiting, "recorded", failing)
    (answer,) = confirm(desk, [spooled], Post(), Time())
    assert answer.result is Result.COUNTED


def test_the_next_run_begins_with_what_is_in_the_spool(
    desk: Desk, world: World, open_as: Callable[[str], Desk]
) -> None:
    spooled = make(desk, world.add())
    later = open_as("approver")
    post = Post(deliver=lambda octets: take(world, spooled))
    later.carrier = Carrier(lambda: post)
    answers, damaged = later.flush()
    assert [answer.result for answer in answers] == [Result.COUNTED]
    assert damaged == []
    assert later.flush() == ([], [])


def test_embedded_nothing_is_published(desk: Desk, world: World) -> None:
    assert desk.settings.broker == "memory:"
    carrier = carrier_of(desk.settings)
    assert carrier.send(make(desk, world.add()).octets)
    carrier.close()


def test_every_result_has_an_exit_code() -> None:
    assert set(EXIT) == set(Result)
    assert set(EXIT.values()) == {0, 1, 3, 4, 5}
