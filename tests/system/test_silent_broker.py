"""RabbitMQ takes messages and says nothing: nobody hangs, and afterwards all is as it should be."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import pytest
import requests

from pipeline.broker import dead_letters
from pipeline.broker.publisher import ANSWER, open_publisher
from pipeline.stages import RELAY, STAGES
from tests.chaos import run
from tests.chaos.approver import Approver
from tests.chaos.crew import Crew
from tests.chaos.ground import QUICK, Ground
from tests.chaos.load import Load
from tests.chaos.verdict import Verdict, judge, unsettled
from tests.servers.trouble import alarm, frozen
from tests.system.harmless import publish, wake_up
from tests.system.warned import warnings
from tests.waiting import wait_until

NUMBERS: Final = {"web": 1, "web-worker": 1, "web-clock": 1, "signer-worker": 2, "signer-clock": 1}

SETTINGS: Final = {**QUICK, "HTTPCA_WEB_CLOCK_HEARTBEAT": "5"}

REQUESTS: Final = 400
SECONDS: Final = 40.0

SILENCES: Final[dict[str, Callable[[Ground], AbstractContextManager[None]]]] = {
    "frozen": lambda ground: frozen(ground.rabbitmq),
    "alarm": lambda ground: alarm(ground.rabbitmq, "memory"),
}


@dataclass
class Silence:
    """What was seen while RabbitMQ was silent."""

    refusal: str
    accepted: int
    ready: requests.Response
    page: requests.Response
    said: Counter[tuple[str, ...]]


@dataclass
class Story:
    """All of it, in its order, and what came of it in the end."""

    silences: dict[str, Silence]
    verdict: Verdict
    letters: list[dead_letters.DeadLetter]
    ends: Counter[str]


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with Ground(SETTINGS) as ground, ground.crew(NUMBERS) as crew:
        token = ground.token("clients")
        run.wait_until_up(ground)
        load = Load(ground.urls, token, REQUESTS, SECONDS, random.Random(1))
        approver = Approver(ground.approver)
        try:
            load.start()
            approver.start()
            silences = {name: listen(ground, crew, load, name) for name in SILENCES}
            load.finish()
            wait_until(lambda: load.done and unsettled(ground) == 0)
        finally:
            load.stop()
            approver.stop()
        letters = dead_letters.listed(ground.broker, list(STAGES), 100)
        ends = sum((service.ends for service in crew.services), Counter[str]())
        yield Story(silences, judge(ground, load.ledger), letters, ends)


def listen(ground: Ground, crew: Crew, load: Load, name: str) -> Silence:
    """Make RabbitMQ silent until everybody has noticed; wait until all is well again.

    It falls silent when the worker has a message in hand, and so something to send.
    """
    publisher = open_publisher(ground.broker)
    octets = wake_up(ground)
    publisher.publish(RELAY.queue, octets)
    url = ground.urls[0]
    before, accepted = warnings(crew), load.ledger.answers["202"]
    with ExitStack() as silence:
        with crew.frozen("web-worker"):
            time.sleep(2)
            silence.enter_context(SILENCES[name](ground))
        refusal = publish(publisher, octets)
        ready = unreachable(url)
        page = requests.get(f"{url}/", timeout=30)
        wait_until(lambda: said(warnings(crew) - before, "waiting") >= {"web-worker.1"})
        seen = warnings(crew) - before
        accepted = load.ledger.answers["202"] - accepted
    wait_until(lambda: requests.get(f"{url}/readyz", timeout=30).json()["status"] == "ok")
    publisher.close()
    return Silence(refusal, accepted, ready, page, seen)


def unreachable(url: str) -> requests.Response:
    """Return the answer of `/readyz` that says so. Now and then it may not know, since the clock waits
    for the broker's answer before it says anything."""
    answers: list[requests.Response] = []

    def says_so() -> bool:
        answers.append(requests.get(f"{url}/readyz", timeout=30))
        return bool(answers[-1].json()["broker"] == "unreachable")

    wait_until(says_so)
    return answers[-1]


def said(found: Counter[tuple[str, ...]], event: str) -> set[str]:
    return {process for process, what, *_ in found if what == event}


@pytest.mark.parametrize("name", SILENCES)
def test_publishing_to_a_silent_broker_is_given_up_and_the_error_says_why(
    story: Story, name: str
) -> None:
    assert f"within {ANSWER:g} s: it is frozen, has an alarm" in story.silences[name].refusal


@pytest.mark.parametrize("name", SILENCES)
def test_requests_are_accepted_and_answers_said_to_be_delayed(story: Story, name: str) -> None:
    seen = story.silences[name]
    assert seen.accepted > 0
    assert seen.ready.status_code == HTTPStatus.OK
    assert seen.ready.json()["status"] == "delayed"
    assert "Answers are delayed at the moment" in seen.page.text


@pytest.mark.parametrize("name", SILENCES)
def test_every_process_says_once_that_it_waits(story: Story, name: str) -> None:
    found = story.silences[name].said
    assert set(found.values()) == {1}, found
    assert "web-worker.1" in said(found, "waiting")


def test_afterwards_everything_comes_to_its_end_and_nothing_is_done_twice(story: Story) -> None:
    assert story.verdict.accepted >= REQUESTS
    assert story.verdict.broken == {promise: [] for promise in story.verdict.broken}
    assert story.letters == []
    assert story.ends == Counter()
