"""The web host is lost, on real servers: an attacker with its settings, database and message key.

What one gets by it, in every combination, stands in ``tests/flow/test_web_host_lost.py``; here is
that the processes of an installation keep to it.
"""

import time
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
import requests
from cryptography import x509

from pipeline.broker.publisher import Publisher, open_publisher
from pipeline.crypto import identity
from pipeline.messages import Body, Decision, Submission, SubmissionBatch, WakeUp
from pipeline.signer.policy_source import LOOK_AGAIN
from pipeline.stages import DECIDE, DELIVER, POLICY, SIGN, Stage
from tests import factories
from tests.attacks.forge import seal
from tests.attacks.ground import new_id
from tests.system.installation import Installation, done, httpca
from tests.waiting import wait_until

LIMITED = """
[[rules]]
name = "limited {zone}"
every_name = ["*.{zone}"]
action = "sign"
limit = ["2/hour", "2/day"]
"""


@dataclass
class Intruder:
    """Somebody who has read everything on the web host."""

    installation: Installation
    publisher: Publisher

    def send(self, stage: Stage, body: Body, *, queue: str = "") -> bytes:
        folder = self.installation.directory / "web"
        me = identity.load(folder / "message.pem", folder / "message.key")
        octets = seal(me, stage, new_id(), body, datetime.now(UTC))  # noqa: TID251
        self.publisher.publish(queue or stage.queue, octets)
        return octets

    def submission(self, name: str, **changes: Any) -> Submission:
        fields: dict[str, Any] = {
            "id": new_id(),
            "csr": factories.csr(names=[f"DNS:{name}"]),
            "profile": "server",
            "source": "api",
            "submitted_at": datetime.now(UTC),  # noqa: TID251
        }
        return Submission(**fields | changes)


@pytest.fixture
def intruder(installation: Installation) -> Any:
    settings = tomllib.loads((installation.directory / "web" / "settings.toml").read_text("utf-8"))
    publisher = open_publisher(settings["broker"])
    yield Intruder(installation, publisher)
    publisher.close()
    done(httpca("dead-letters", "drop", "--all", "--config", installation.directory / "signer"))
    done(httpca("dead-letters", "drop", "--all", "--config", installation.directory / "web"))


def test_only_what_the_rules_sign_by_its_name_comes_out_and_all_is_audited(
    installation: Installation, intruder: Intruder
) -> None:
    waits = submit(installation, f"www-{new_id()}.example.com")
    wait_until(lambda: state(installation, waits) == "waiting_for_approval")
    before = of_request(installation, waits)
    forged = [
        intruder.submission(f"{number}-{new_id()}.example.com", requester=requester, source=source)
        for number, (requester, source) in enumerate(
            (requester, source)
            for requester in ("ci", "approver", "signer", None)
            for source in ("web", "api", "signer")
        )
    ]
    other = intruder.submission("attacker.test", id=waits, known_revision=1)

    batch = intruder.send(POLICY, SubmissionBatch([*forged, other]))
    intruder.send(DECIDE, Decision(waits, "accept", "0" * 64, datetime.now(UTC)))  # noqa: TID251
    intruder.send(SIGN, WakeUp())
    intruder.send(POLICY, SubmissionBatch([intruder.submission("x.test")]), queue=SIGN.queue)
    intruder.publisher.publish(DECIDE.queue, batch)
    intruder.publisher.publish(DELIVER.queue, batch)
    intruder.publisher.publish(POLICY.queue, batch)  # replayed
    signed = intruder.submission(f"{new_id()}.test")
    intruder.send(POLICY, SubmissionBatch([signed]))
    wait_until(lambda: state(installation, signed.id) == "issued")
    wait_until(lambda: all(state(installation, one.id) for one in forged))
    wait_until(lambda: "second-submission-refused" in events(installation, waits))

    assert {state(installation, one.id) for one in forged} == {"waiting_for_approval"}
    assert of_request(installation, waits) == before
    for one in (*forged, signed):
        assert "state-changed" in events(installation, one.id)
    wait_until(lambda: refused(installation) >= {"sender-not-admitted", "wrong-queue"})
    installation.approve("accept", waits)
    wait_until(lambda: state(installation, waits) == "issued")
    (csr, certificate) = rows(
        installation,
        "SELECT s.csr, c.certificate FROM submissions s JOIN certificates c USING (request_id)"
        " WHERE request_id = %s",
        waits,
    )[0]
    issued = x509.load_der_x509_certificate(bytes(certificate))
    assert issued.public_key() == x509.load_der_x509_csr(bytes(csr)).public_key()
    intruder.send(POLICY, SubmissionBatch(withdrawals=[one.id for one in forged]))
    wait_until(lambda: {state(installation, one.id) for one in forged} == {"withdrawn"})


def test_suspending_stops_what_a_lost_web_host_has_signed(
    installation: Installation, intruder: Intruder
) -> None:
    """The operator's way to stop it at once, while the host is looked at."""
    side = installation.directory / "signer"
    done(httpca("signer", "suspend", "--config", side, "--reason", "the web host is lost"))
    try:
        signed = intruder.submission(f"{new_id()}.test")
        intruder.send(POLICY, SubmissionBatch([signed]))
        wait_until(lambda: state(installation, signed.id) == "waiting_for_signature")
        again = intruder.submission(f"{new_id()}.test")
        intruder.send(POLICY, SubmissionBatch([again]))
        wait_until(lambda: state(installation, again.id) == "waiting_for_signature")
        assert state(installation, signed.id) == "waiting_for_signature"
    finally:
        done(httpca("signer", "resume", "--config", side))
    wait_until(lambda: state(installation, signed.id) == "issued")


def test_a_rule_that_signs_at_once_signs_no_more_than_its_limit_whoever_asks(
    installation: Installation, intruder: Intruder
) -> None:
    """Three signer workers count together, in their database; the web side's word counts nothing."""
    zone = f"{new_id()}.example.com"
    policy = installation.directory / "signer" / "policy.toml"
    with policy.open("a", encoding="utf-8") as file:
        file.write(LIMITED.format(zone=zone))
    # Each worker reads a changed policy for itself: soon none of the three is without the rule.
    time.sleep(3 * LOOK_AGAIN)

    def say() -> list[str | None]:
        sent = [
            intruder.submission(f"{number}.{zone}", requester=f"somebody-{number}")
            for number in range(12)
        ]
        for one in sent:
            intruder.send(POLICY, SubmissionBatch([one]))
        ended = {"issued", "rejected"}
        wait_until(lambda: {state(installation, one.id) for one in sent} <= ended)
        return [state(installation, one.id) for one in sent]

    day = datetime.now(UTC).date()  # noqa: TID251
    states = say() + say()

    days = 1 + (datetime.now(UTC).date() != day)  # noqa: TID251 - two, around midnight
    assert 2 <= states.count("issued") <= 2 * days
    query = (
        "SELECT count(*) FROM audit WHERE event = 'rule-limit-reached' AND details->>'rule' = %s"
    )
    assert rows(installation, query, f"limited {zone}")[0][0] > 0


def submit(installation: Installation, name: str) -> str:
    """Submit as an honest requester; return the request's id."""
    csr = factories.csr(names=[f"DNS:{name}"])
    answer = requests.post(
        f"{installation.url}/api/v1/requests?profile=server",
        data=csr,
        headers={
            "Content-Type": "application/pkcs10",
            "Authorization": f"Bearer {installation.token(f'shop-{new_id()[:8]}')}",
        },
        timeout=30,
    )
    assert answer.status_code == 202, answer.text
    request_id: str = answer.json()["id"]
    return request_id


def rows(installation: Installation, query: str, *parameters: str) -> list[tuple[Any, ...]]:
    url = installation.database_urls["signer"].replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(url) as connection:
        return connection.execute(query, parameters).fetchall()


def state(installation: Installation, request_id: str) -> str | None:
    found = rows(installation, "SELECT state FROM requests WHERE id = %s", request_id)
    return found[0][0] if found else None


def of_request(installation: Installation, request_id: str) -> list[tuple[Any, ...]]:
    query = """
        SELECT r.state, r.revision, s.* FROM requests r JOIN submissions s ON s.request_id = r.id
        WHERE r.id = %s
    """
    return rows(installation, query, request_id)


def events(installation: Installation, request_id: str) -> set[str]:
    query = "SELECT event FROM audit WHERE request_id = %s"
    return {event for (event,) in rows(installation, query, request_id)}


def refused(installation: Installation) -> set[str]:
    """Return why the signer refused messages, as its audit table tells."""
    query = "SELECT details->>'reason' FROM audit WHERE event = 'message-refused'"
    return {reason for (reason,) in rows(installation, query)}
