"""Liveness, readiness, metrics."""

from datetime import timedelta

import pytest

from pipeline.crypto.expiry import Watched
from pipeline.database.heartbeat import beat
from pipeline.states import State
from pipeline.web import tables
from tests.website import Website


def test_ready_says_how_the_broker_is(website: Website) -> None:
    client = website.client()

    def found() -> tuple[int, str, str]:
        answer = client.get("/readyz")
        return answer.status_code, answer.json["status"], answer.json["broker"]

    assert found() == (200, "ok", "ok")
    website.beat(broker_ok=False)
    assert found() == (200, "delayed", "unreachable")
    assert "answers are delayed" in client.get("/readyz").json["detail"]
    website.beat()
    website.moment += timedelta(seconds=60)
    assert found() == (200, "delayed", "unknown")


def test_one_process_of_a_role_is_enough(website: Website) -> None:
    def said(process: str, age: int, *, broker_ok: bool) -> None:
        at = website.moment - timedelta(seconds=age)
        beat(website.database, tables.heartbeats, process, at, broker_ok=broker_ok)

    said("web-worker:a", 600, broker_ok=False)
    said("web-worker:b", 1, broker_ok=True)
    assert website.client().get("/readyz").json["broker"] == "ok"
    said("web-worker:b", 600, broker_ok=True)
    assert website.client().get("/readyz").json["broker"] == "unknown"


def test_before_any_heartbeat_nothing_is_known(website: Website) -> None:
    with website.database.write() as connection:
        connection.execute(tables.heartbeats.delete())
    answer = website.client().get("/readyz")
    assert (answer.status_code, answer.json["broker"]) == (200, "unknown")


def test_requests_are_counted_by_state(website: Website) -> None:
    for state in (State.REJECTED, State.WAITING_FOR_APPROVAL):
        website.move(website.submit(), state)
    website.submit()
    text = website.client().get("/metrics").text
    assert 'httpca_requests{state="rejected"} 1.0' in text
    assert 'httpca_requests{state="waiting_for_approval"} 1.0' in text
    assert 'httpca_requests{state="submitted"} 1.0' in text
    assert 'httpca_requests{state="issued"} 0.0' in text


def test_answers_are_counted_without_growing_with_what_clients_invent(website: Website) -> None:
    client = website.client()
    for number in range(20):
        client.get(f"/{number}")
        client.open(f"/{number}", method=f"X{number}")
    client.get("/ca")
    lines = client.get("/metrics").text.splitlines()
    counted = [line for line in lines if line.startswith("httpca_http_answers_total")]
    assert (
        'httpca_http_answers_total{endpoint="html.authorities",method="GET",status="200"} 1.0'
        in counted
    )
    assert len(counted) == 2


def test_the_ends_of_certificates_are_told_by_metrics_and_by_readiness(website: Website) -> None:
    client = website.client()

    def own(days: float) -> None:
        end = website.moment + timedelta(days=days)
        trusted = Watched("trusted", "signer", "b" * 64, website.moment - timedelta(days=1))
        beat(
            website.database,
            tables.heartbeats,
            "web-clock",
            website.moment,
            broker_ok=True,
            certificates=[Watched("own", "web", "a" * 64, end), trusted],
        )

    own(31)
    assert client.get("/readyz").json["certificates"] == "ok"
    end = (website.moment + timedelta(days=31)).timestamp()
    labels = f'fingerprint="{"a" * 16}",owner="web",use="own"'
    lines = client.get("/metrics").text.splitlines()
    told = [line for line in lines if labels in line]
    assert [float(line.rpartition(" ")[2]) for line in told] == [pytest.approx(end)]
    own(30)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json["certificates"]) == (200, "end-soon")
    own(0)
    assert client.get("/readyz").json["certificates"] == "ended"


def test_the_ends_of_the_ca_s_certificates_are_told_too(website: Website) -> None:
    website.introduce()
    text = website.client().get("/metrics").text
    assert 'use="issuing-ca"' in text
    assert 'use="root-ca"' in text
