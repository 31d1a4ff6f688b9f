"""While something that is needed is away, what is accepted is kept, and it is said what is wrong."""

import time
from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import pytest
import requests

from pipeline.actors.guard import DEADLY as DEADLY_MESSAGE
from pipeline.broker import dead_letters
from pipeline.stages import DECIDE, DELIVER, Stage
from tests import factories
from tests.chaos.approver import Approver
from tests.chaos.crew import Crew
from tests.chaos.ground import Ground
from tests.system.warned import warnings
from tests.waiting import wait_until

LONG_ENOUGH: Final = 6.0
"""Seconds in which a process that repeats itself would do so: more than its longest pause."""

NUMBERS: Final = {"web": 1, "web-worker": 1, "web-clock": 1, "signer-worker": 2, "signer-clock": 1}

CHAOS: Final = Path(__file__).resolve().parents[1] / "chaos"

DEADLY: Final = {
    "signer-worker": {"PYTHONPATH": str(CHAOS / "deadly")},
    "web-worker": {"PYTHONPATH": str(CHAOS / "deadly_delivery")},
}
"""What kills workers, by their kind."""

ORDINARY: Final = 20


class Requester:
    """Submits and reads by HTTP."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {token}"

    def submit(self, name: str, key: str | None = None) -> requests.Response:
        headers = {"Content-Type": "application/pkcs10"}
        return self.session.post(
            f"{self.url}/api/v1/requests?profile=server",
            data=factories.csr(names=[f"DNS:{name}"]),
            headers=headers | ({"Idempotency-Key": key} if key else {}),
            timeout=30,
        )

    def accepted(self, *names: str) -> list[str]:
        """Submit requests and return their ids."""
        answers = [self.submit(name) for name in names]
        assert {answer.status_code for answer in answers} == {HTTPStatus.ACCEPTED}
        return [answer.json()["id"] for answer in answers]

    def read(self, request: str) -> dict[str, Any]:
        found: dict[str, Any] = self.session.get(
            f"{self.url}/api/v1/requests/{request}", timeout=30
        ).json()
        return found

    def ends(self, ids: list[str]) -> Counter[str]:
        """Wait until all have ended or failed, and return how."""
        over = {"issued", "rejected", "failed", "withdrawn", "expired"}
        wait_until(lambda: all(self.read(one)["state"] in over for one in ids))
        return Counter(self.read(one)["state"] for one in ids)

    def readiness(self) -> dict[str, Any]:
        found: dict[str, Any] = self.session.get(f"{self.url}/readyz", timeout=30).json()
        return found


def said(found: Counter[tuple[str, ...]]) -> set[str]:
    """Return which processes logged these."""
    return {process for process, *_ in found}


def ended(crew: Crew) -> set[str]:
    """Return how processes ended, up to now."""
    return {end for service in crew.services for end in service.ends}


def refused(ground: Ground, stage: Stage) -> bool:
    """Say whether messages of a stage were dead-lettered, all because they kill their worker."""
    letters = dead_letters.listed(ground.broker, [stage.queue], 100)
    assert {letter.reason for letter in letters} <= {DEADLY_MESSAGE}
    return bool(letters)


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    with Ground() as made:
        yield made


@pytest.fixture(scope="module")
def token(ground: Ground) -> str:
    return ground.token("requester")


@pytest.fixture(scope="module")
def crew(ground: Ground, token: str) -> Iterator[Crew]:
    """The processes, started while everything that they need is away."""
    for server in ground.postgresql.values():
        server.halt()
    ground.rabbitmq.kill()
    with ground.crew(NUMBERS, DEADLY) as made:
        yield made


@pytest.fixture(scope="module")
def requester(ground: Ground, crew: Crew, token: str) -> Requester:
    return Requester(ground.urls[0], token)


def test_processes_wait_for_what_they_need_and_say_so_once(
    ground: Ground, crew: Crew, requester: Requester
) -> None:
    everybody = {one.name for one in crew.services}
    at_the_broker = {one.name for one in crew.services if one.kind != "web"}
    wait_until(lambda: said(warnings(crew)) == everybody)
    time.sleep(LONG_ENOUGH)
    without_databases = warnings(crew)
    for server in ground.postgresql.values():
        server.start()
    wait_until(lambda: all(one.is_up() for one in crew.services))
    wait_until(lambda: said(warnings(crew) - without_databases) >= at_the_broker)
    time.sleep(LONG_ENOUGH)
    without_broker = warnings(crew) - without_databases
    accepted = requester.accepted("before-the-broker.test")
    ground.rabbitmq.start()

    assert requester.ends(accepted) == {"issued": 1}
    assert set(without_databases.values()) == {1}
    assert said(without_databases) == everybody
    assert set(without_broker.values()) == {1}, without_broker
    assert said(without_broker) == at_the_broker
    assert ended(crew) == set()


def test_without_a_broker_requests_are_accepted_and_answers_said_to_be_delayed(
    ground: Ground, requester: Requester
) -> None:
    wait_until(lambda: requester.readiness()["status"] == "ok")
    ground.rabbitmq.kill()
    accepted = requester.accepted(*(f"without-broker-{number}.test" for number in range(ORDINARY)))
    wait_until(lambda: requester.readiness()["status"] == "delayed")
    ready = requests.get(f"{requester.url}/readyz", timeout=30)
    page = requests.get(f"{requester.url}/", timeout=30)
    states = {requester.read(one)["state"] for one in accepted}
    ground.rabbitmq.start()

    assert ready.status_code == HTTPStatus.OK
    assert ready.json()["broker"] == "unreachable"
    assert "Answers are delayed at the moment" in page.text
    assert states == {"submitted"}
    assert requester.ends(accepted) == {"issued": ORDINARY}
    wait_until(lambda: requester.readiness()["status"] == "ok")


def test_without_its_database_the_web_side_says_503_and_loses_nothing_it_acknowledged(
    ground: Ground, requester: Requester
) -> None:
    accepted = requester.accepted(*(f"acknowledged-{number}.test" for number in range(ORDINARY)))
    ground.postgresql["web"].halt("immediate")
    refused = requester.submit("not-acknowledged.test", key="once")
    read = requester.session.get(f"{requester.url}/api/v1/requests/{accepted[0]}", timeout=30)
    ready = requests.get(f"{requester.url}/readyz", timeout=30)
    ground.postgresql["web"].start()
    again = requester.submit("not-acknowledged.test", key="once")

    for answer in (refused, read, ready):
        assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
        assert int(answer.headers["Retry-After"]) > 0
    assert again.status_code == HTTPStatus.ACCEPTED
    assert requester.ends([*accepted, again.json()["id"]]) == {"issued": ORDINARY + 1}


def test_a_request_that_kills_whoever_signs_it_fails_and_the_others_go_on(
    crew: Crew, requester: Requester
) -> None:
    (deadly,) = requester.accepted("deadly-to-sign.test")
    others = requester.accepted(*(f"beside-signing-{number}.test" for number in range(ORDINARY)))

    assert requester.ends(others) == {"issued": ORDINARY}
    assert requester.ends([deadly]) == {"failed": 1}
    assert "did not come to an end" in requester.read(deadly)["reason"]
    assert "SIGSEGV" in ended(crew)


def test_a_request_that_kills_whoever_examines_it_is_rejected_and_the_others_go_on(
    ground: Ground, crew: Crew, requester: Requester
) -> None:
    before = sum((service.ends for service in crew.of("signer-worker")), Counter[str]())
    with crew.frozen("web-worker"):  # so that all of them travel together
        (deadly,) = requester.accepted("deadly-to-examine.test")
        others = requester.accepted(*(f"beside-{number}.test" for number in range(ORDINARY)))

    assert requester.ends(others) == {"issued": ORDINARY}
    assert requester.ends([deadly]) == {"rejected": 1}
    assert "our program ended whenever it tried" in requester.read(deadly)["reason"]
    after = sum((service.ends for service in crew.of("signer-worker")), Counter[str]())
    assert (after - before)["SIGSEGV"] >= 3
    with ground.connect("signer") as connection:
        wait_until(lambda: connection.execute("SELECT count(*) FROM tries").fetchone() == (0,))


def test_a_decision_that_kills_whoever_judges_it_is_dead_lettered_and_the_others_count(
    ground: Ground, requester: Requester
) -> None:
    (deadly,) = requester.accepted("deadly-to-decide.approved.example.com")
    others = requester.accepted(
        *(f"beside-{number}.approved.example.com" for number in range(ORDINARY))
    )
    approver = Approver(ground.approver)
    approver.start()
    try:
        wait_until(lambda: refused(ground, DECIDE))
        assert requester.ends(others) == {"issued": ORDINARY}
    finally:
        approver.stop()

    assert requester.read(deadly)["state"] == "waiting_for_approval"


def test_an_outcome_that_kills_whoever_stores_it_is_dead_lettered_and_the_others_arrive(
    ground: Ground, crew: Crew, requester: Requester
) -> None:
    with crew.frozen("web-worker"):  # so that all of them travel together
        (deadly,) = requester.accepted("deadly-to-deliver.test")
        others = requester.accepted(*(f"besides-{number}.test" for number in range(ORDINARY)))

    assert requester.ends(others) == {"issued": ORDINARY}
    wait_until(lambda: refused(ground, DELIVER))
    assert requester.read(deadly)["state"] == "relayed"
    assert sum(service.ends["SIGSEGV"] for service in crew.of("web-worker")) >= 3


def test_all_processes_end_in_good_order(crew: Crew) -> None:
    assert set(crew.dismiss().values()) == {0}
