"""A request begins: the same story through form and API."""

import threading
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from pipeline.crypto import csr as csrs
from pipeline.web import tables
from tests import factories
from tests.unit.web.browser import hidden, review
from tests.website import Website

PEM = factories.openssl_csr()
DER = csrs.read(PEM).der


def submit(client: FlaskClient, key: str | None = None, **fields: Any) -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    body = {"csr": PEM.decode(), "profile": "server", **fields}
    return client.post("/api/v1/requests", json=body, headers=headers)


def count(website: Website) -> int:
    with website.database.read() as connection:
        return connection.scalar(select(func.count()).select_from(tables.requests)) or 0


def test_is_taken_as_json(website: Website) -> None:
    answer = submit(website.client(), comment="For the shop")
    assert answer.status_code == 202
    assert answer.headers["Location"] == answer.json["url"]
    assert answer.json["state"] == "submitted"
    assert answer.json["comment"] == "For the shop"
    assert website.client().get(answer.headers["Location"]).json == answer.json
    assert UUID(answer.json["id"]).version == 7


@pytest.mark.parametrize(
    ("content_type", "octets"),
    [
        ("application/pkcs10", DER),
        ("application/x-pem-file", PEM),
        ("application/x-pem-file; charset=us-ascii", PEM),
        ("application/pkcs10", PEM),
        ("application/x-pem-file", b"# made by me\r\n" + PEM.replace(b"\n", b"\r\n")),
    ],
)
def test_is_taken_as_a_bare_csr(website: Website, content_type: str, octets: bytes) -> None:
    answer = website.client().post(
        "/api/v1/requests?profile=client&comment=hello", data=octets, content_type=content_type
    )
    assert answer.status_code == 202
    assert (answer.json["profile"], answer.json["comment"]) == ("client", "hello")


def test_stores_everything_in_one_transaction(website: Website) -> None:
    request_id = submit(website.client(website.token("web-team")), "key").json["id"]
    with website.database.read() as connection:
        row = connection.execute(select(tables.requests)).one()
        submission = connection.execute(select(tables.submissions)).one()
        key = connection.execute(select(tables.idempotency_keys)).one()
        events = connection.scalars(
            select(tables.audit.c.event).where(tables.audit.c.request_id == request_id)
        ).all()
    assert (row.id, row.state, row.revision, row.requester) == (
        request_id,
        "submitted",
        0,
        "web-team",
    )
    assert row.next_attempt_at <= website.moment
    assert (submission.csr, submission.profile, submission.source) == (DER, "server", "api")
    assert (key.requester, key.key, key.request_id) == ("web-team", "key", request_id)
    assert events == ["state-changed"]


def test_the_same_key_and_body_make_nothing_twice(website: Website) -> None:
    first = submit(website.client(), "once")
    again = submit(website.client(), "once")
    assert (again.status_code, again.json, again.headers["Location"]) == (
        202,
        first.json,
        first.headers["Location"],
    )
    assert count(website) == 1


def test_a_repeated_call_is_answered_with_what_became_of_the_first(website: Website) -> None:
    request_id = submit(website.client(), "once").json["id"]
    website.issue(request_id)
    again = submit(website.client(), "once")
    assert (again.status_code, again.json["state"]) == (202, "issued")


def test_the_same_key_with_another_body_is_a_conflict(website: Website) -> None:
    submit(website.client(), "once")
    answer = submit(website.client(), "once", comment="changed")
    assert (answer.status_code, answer.json["type"]) == (409, "/problems/idempotency-key-reused")
    answer = website.client().post(
        "/api/v1/requests?profile=client",
        data=PEM,
        content_type="application/x-pem-file",
        headers={"Idempotency-Key": "once"},
    )
    assert answer.status_code == 409
    assert count(website) == 1


def test_keys_are_each_requesters_own(website: Website) -> None:
    clients = [website.client(), *(website.client(website.token(n)) for n in ("a", "b"))]
    assert len({submit(client, "once").json["id"] for client in clients}) == 3


def test_without_a_key_every_call_is_a_request(website: Website) -> None:
    assert submit(website.client()).json["id"] != submit(website.client()).json["id"]


@pytest.mark.parametrize("key", ["", "x" * 201, "tab\there", "\u00fcber"])
def test_a_key_that_cannot_be_one_is_refused(website: Website, key: str) -> None:
    answer = submit(website.client(), key)
    assert (answer.status_code, answer.json["type"]) == (400, "/problems/bad-idempotency-key")


def test_a_refused_call_does_not_use_up_its_key(website: Website) -> None:
    assert submit(website.client(), "once", profile="nope").status_code == 422
    assert submit(website.client(), "once").status_code == 202


def test_the_same_call_from_many_threads_makes_one_request(website: Website) -> None:
    answers: list[Any] = []
    start = threading.Barrier(8)

    def call() -> None:
        start.wait()
        answers.append(submit(website.client(), "once"))

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json["id"] for answer in answers}) == 1
    assert count(website) == 1


def test_the_form_shows_what_was_understood_and_stores_nothing(website: Website) -> None:
    octets = factories.openssl_csr(
        names=("DNS:xn--bcher-kva.example", "IP:192.0.2.1"), subject="/O=Example/CN=b"
    )
    page = review(website.client(), octets.decode(), comment="two\r\nlines")
    assert page.status_code == 200
    for shown in ("bücher.example", "xn--bcher-kva.example", "192.0.2.1", "O=Example", "P-256"):
        assert shown in page.text
    assert count(website) == 0


def test_the_form_submits_once_however_often_it_is_pressed(website: Website) -> None:
    client = website.client()
    fields = hidden(review(client, PEM.decode(), comment="two\r\nlines"))
    first = client.post("/requests", data=fields)
    again = client.post("/requests", data=fields)
    assert first.status_code == again.status_code == 303
    assert first.headers["Location"] == again.headers["Location"]
    assert count(website) == 1
    with website.database.read() as connection:
        row = connection.execute(select(tables.submissions)).one()
    assert (row.csr, row.source, row.comment) == (DER, "web", "two\nlines")


def test_the_form_takes_a_file_in_der(website: Website) -> None:
    client = website.client()
    page = review(client, file=(BytesIO(DER), "request.der"))
    answer = client.post("/requests", data=hidden(page))
    assert answer.status_code == 303
    with website.database.read() as connection:
        assert connection.scalar(select(tables.submissions.c.csr)) == DER


def test_the_review_leads_back_to_the_form_as_it_was_filled(website: Website) -> None:
    client = website.client()
    page = client.post("/", data=hidden(review(client, PEM.decode(), profile="client")))
    assert page.status_code == 200
    assert PEM.decode().strip() in page.text
    assert "<option selected>client</option>" in page.text


def test_a_form_without_its_token_is_refused(website: Website) -> None:
    for address in ("/", "/review", "/requests", "/sign-in", "/sign-out"):
        answer = website.client().post(address, data={"csr": PEM.decode()})
        assert answer.status_code == 400
        assert "once more" in answer.text
    request_id = website.submit()
    assert website.client().post(f"/requests/{request_id}/withdraw").status_code == 400
    assert not website.row(request_id).withdrawal_wished
