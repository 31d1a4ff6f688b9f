"""Three RabbitMQ nodes with quorum queues: whoever leads is killed under load, and nothing is lost."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pytest

from pipeline.broker import dead_letters
from pipeline.broker.publisher import open_publisher
from pipeline.stages import POLICY, RELAY, STAGES
from tests.chaos import run
from tests.chaos.approver import Approver
from tests.chaos.crew import Crew
from tests.chaos.ground import QUICK, Ground
from tests.chaos.load import Load
from tests.chaos.verdict import Verdict, judge, unsettled
from tests.servers import RabbitMQ
from tests.system.harmless import publish, wake_up
from tests.waiting import wait_until

REQUESTS: Final = 1000
SECONDS: Final = 30.0
KILLS: Final = 2
SOME: Final = 40
"""Certificates; more than were on their way when a node ended."""

NUMBERS: Final = {"web": 1, "web-worker": 2, "web-clock": 1, "signer-worker": 2, "signer-clock": 1}

QUORUM: Final = {"HTTPCA_WEB_QUEUE_TYPE": "quorum", "HTTPCA_SIGNER_QUEUE_TYPE": "quorum"}


@dataclass
class Story:
    """What came of it."""

    killed: list[str]
    issued_meanwhile: list[int]
    without_majority: str
    leaders: dict[str, str]
    letters: list[dead_letters.DeadLetter]
    verdict: Verdict


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with Ground({**QUICK, **QUORUM}, nodes=3) as ground, ground.crew(NUMBERS) as crew:
        token = ground.token("clients")
        run.wait_until_up(ground)
        load = Load(ground.urls, token, REQUESTS, SECONDS, random.Random(1))
        approver = Approver(ground.approver)
        try:
            load.start()
            approver.start()
            told = tell(ground, crew, load)
        finally:
            load.stop()
            approver.stop()
        yield told


def tell(ground: Ground, crew: Crew, load: Load) -> Story:
    """Kill the leader twice; each time the two that are left do the work. Then kill two at once."""
    killed, issued = [], []
    for _ in range(KILLS):
        time.sleep(3)
        leader = leader_of(ground)
        leader.kill()
        killed.append(leader.node)
        issued.append(issued_afterwards(ground))
        leader.start()
    refusal = refused_without_majority(ground)
    load.finish()
    wait_until(lambda: load.done and unsettled(ground) == 0)
    letters = dead_letters.listed(ground.broker, list(STAGES), 100)
    led = leaders(ground)
    crew.dismiss()
    return Story(killed, issued, refusal, led, letters, judge(ground, load.ledger))


def refused_without_majority(ground: Ground) -> str:
    """Leave one node of three; return why a message was not taken by it."""
    publisher = open_publisher(ground.broker)
    octets = wake_up(ground)
    publisher.publish(RELAY.queue, octets)
    for node in ground.others:
        node.kill()
    refusal = publish(publisher, octets)
    for node in ground.others:
        node.start()
    publisher.close()
    return refusal


def leaders(ground: Ground) -> dict[str, str]:
    """Return who leads each queue, once all of them have elected somebody."""
    found: list[dict[str, str]] = []

    def are_known() -> bool:
        found.append(ground.rabbitmq.leaders())
        return set(found[-1]) >= set(STAGES)

    wait_until(are_known)
    return found[-1]


def leader_of(ground: Ground) -> RabbitMQ:
    """Return the node that leads the queue of `policy`."""
    name = leaders(ground)[POLICY.queue]
    (leader,) = (node for node in (ground.rabbitmq, *ground.others) if node.node == name)
    return leader


def issued_afterwards(ground: Ground) -> int:
    """Wait until more certificates reach the web side than were on their way; return how many."""
    count = "SELECT count(*) FROM certificates"
    with ground.connect("web") as connection:

        def issued() -> int:
            return int(connection.execute(count).fetchall()[0][0])

        before = issued()
        wait_until(lambda: issued() >= before + SOME)
        return issued() - before


def test_every_queue_is_a_quorum_queue(story: Story) -> None:
    assert set(story.leaders) >= set(STAGES)


def test_two_of_three_nodes_do_the_work(story: Story) -> None:
    assert len(story.killed) == KILLS
    assert all(count >= SOME for count in story.issued_meanwhile)


def test_one_of_three_nodes_confirms_nothing_and_publishing_says_so(story: Story) -> None:
    assert "its cluster has no majority" in story.without_majority


def test_nothing_is_lost_and_nothing_doubled(story: Story) -> None:
    assert story.verdict.accepted >= REQUESTS
    assert story.verdict.broken == {promise: [] for promise in story.verdict.broken}
    assert story.letters == []
