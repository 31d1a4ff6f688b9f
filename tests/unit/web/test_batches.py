"""Many submissions in one call, each of which has its own result."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from pipeline.web import idempotency, tables
from pipeline.web.api_input import LARGEST_BATCH
from pipeline.web.form import pem_of
from tests import factories
from tests.website import Website

PEM = factories.openssl_csr().decode()


def item(name: str = "host.test", **other: Any) -> dict[str, Any]:
    return {"csr": pem_of(factories.csr(names=[f"DNS:{name}"])), "profile": "server", **other}


def send(client: FlaskClient, *items: Any, key: str | None = None) -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post("/api/v1/batches", json={"requests": list(items)}, headers=headers)


def count(website: Website) -> int:
    with website.database.read() as connection:
        return connection.scalar(select(func.count()).select_from(tables.requests)) or 0


def test_every_submission_becomes_a_request_in_their_order(website: Website) -> None:
    client = website.client(website.token("builds"))
    answer = send(client, *(item(f"{name}.test", comment=name) for name in "abc"))
    assert answer.status_code == 202
    results = [result["request"] for result in answer.json["results"]]
    assert [one["comment"] for one in results] == ["a", "b", "c"]
    assert {one["requester"] for one in results} == {"builds"}
    for one in results:
        assert client.get(one["url"]).json == one


def test_what_is_wrong_with_one_harms_no_other(website: Website) -> None:
    wrong = [
        ({"csr": "no CSR", "profile": "server"}, "not-a-csr"),
        ({"csr": PEM, "profile": "other"}, "unknown-profile"),
        ({"csr": PEM, "profile": 7}, "wrong-json"),
        ({"csr": PEM, "colour": "red"}, "wrong-json"),
        ({"profile": "server"}, "wrong-json"),
        ([PEM], "wrong-json"),
        (None, "wrong-json"),
    ]
    items = [each for one, _ in wrong for each in (item(), one)]
    results = send(website.client(), *items).json["results"]
    assert [result["request"]["state"] for result in results[::2]] == ["submitted"] * len(wrong)
    problems = [result["problem"] for result in results[1::2]]
    assert [problem["type"] for problem in problems] == [f"/problems/{slug}" for _, slug in wrong]
    assert all(result["problem"] is None for result in results[::2])
    assert all(result["request"] is None for result in results[1::2])
    assert count(website) == len(wrong)


def test_a_problem_says_the_same_as_for_a_single_submission(website: Website) -> None:
    client, wrong = website.client(), {"csr": PEM, "profile": "other"}
    (result,) = send(client, wrong).json["results"]
    assert result["problem"] == client.post("/api/v1/requests", json=wrong).json


@pytest.mark.parametrize(
    ("octets", "slug", "sentence"),
    [
        (b"{", "malformed-json", "ends too early"),
        (b"[]", "wrong-json", '{"requests": [ … ]}'),
        (b'{"requests": {}}', "wrong-json", '{"requests": [ … ]}'),
        (b'{"requests": [], "more": 1}', "wrong-json", '{"requests": [ … ]}'),
        (b'{"requests": []}', "wrong-json", "1 to 1000"),
        (b'{"requests": [' + b"0," * LARGEST_BATCH + b"0]}", "wrong-json", "these are 1001"),
    ],
)
def test_what_is_no_batch_is_refused_as_a_whole(
    website: Website, octets: bytes, slug: str, sentence: str
) -> None:
    answer = website.client().post("/api/v1/batches", data=octets, content_type="application/json")
    assert (answer.status_code, answer.json["type"]) == (400, f"/problems/{slug}")
    assert sentence in answer.json["detail"]
    assert count(website) == 0


def test_sent_again_with_its_key_it_makes_nothing_twice(website: Website) -> None:
    client, items = website.client(website.token("builds")), [item("a.test"), item("b.test")]
    first, second = (send(client, *items, key="k").json for _ in range(2))
    assert first == second
    assert count(website) == 2
    changed = send(client, items[0], item("c.test"), key="k").json["results"]
    assert changed[0] == first["results"][0]
    assert changed[1]["problem"]["type"] == "/problems/idempotency-key-reused"
    assert count(website) == 2


def test_a_key_of_a_batch_may_be_as_long_as_any_other(website: Website) -> None:
    client, items = website.client(), [item()] * LARGEST_BATCH
    sent = [send(client, *items, key="k" * idempotency.LONGEST) for _ in range(2)]
    assert [answer.status_code for answer in sent] == [202, 202]
    assert sent[0].json == sent[1].json
    assert count(website) == LARGEST_BATCH


@pytest.mark.parametrize("key", ["", "k" * (idempotency.LONGEST + 1)])
def test_a_key_of_a_batch_is_as_strict_as_any_other(website: Website, key: str) -> None:
    answer = send(website.client(), item(), key=key)
    assert (answer.status_code, answer.json["type"]) == (400, "/problems/bad-idempotency-key")
    assert count(website) == 0


def test_what_is_read_and_how_large_is_said_of_batches(website: Website) -> None:
    client = website.client()
    form = client.post("/api/v1/batches", data=PEM, content_type="application/x-pem-file")
    assert (form.status_code, form.headers["Accept"]) == (415, "application/json")
    large = client.post("/api/v1/batches", data=b"0" * 5_000_000, content_type="application/json")
    assert large.status_code == 413
    assert "fewer" in large.json["detail"]


def test_a_large_batch_is_taken_by_one_call(website: Website) -> None:
    answer = send(website.client(), *([item()] * LARGEST_BATCH))
    assert len({result["request"]["id"] for result in answer.json["results"]}) == LARGEST_BATCH
    assert count(website) == LARGEST_BATCH
