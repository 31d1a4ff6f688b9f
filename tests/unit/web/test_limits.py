"""How often one may ask: each address and each requester, counted across processes."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, select

from pipeline.web import tables
from pipeline.web.app import create_app
from pipeline.web.limits import subject_of
from pipeline.web.permits import REMEMBERED, Permits, forget
from tests import factories
from tests.unit.web.browser import parse
from tests.unit.web.test_openapi import Checked
from tests.website import Website

LIMIT = 5


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Website]:
    made = Website(tmp_path, limits={"address": LIMIT, "requester": 2 * LIMIT})
    yield made
    made.close()


def ask(client: Any, address: str = "/ca", *, of: str = "192.0.2.1", **further: Any) -> Any:
    return client.get(address, environ_overrides={"REMOTE_ADDR": of}, **further)


def statuses(client: Any, count: int, **further: Any) -> Counter[int]:
    return Counter(ask(client, **further).status_code for _ in range(count))


def writes(website: Website) -> list[str]:
    """Collect the statements that count from now on."""
    found: list[str] = []
    event.listen(
        website.database.engine,
        "before_cursor_execute",
        lambda _c, _cursor, statement, *_: (
            found.append(statement) if "rates" in statement else None
        ),
    )
    return found


def test_an_address_that_asks_too_often_is_told_when_to_go_on(limited: Website) -> None:
    client = limited.client()
    assert statuses(client, LIMIT) == {200: LIMIT}
    page = ask(client)
    assert page.status_code == 429
    assert str(LIMIT) in parse(page).find(".//*[@class='lead']").text
    api = ask(client, "/api/v1/ca")
    assert (api.status_code, api.json["type"]) == (429, "/problems/too-many-requests")
    assert api.mimetype == "application/problem+json"
    for answer in (page, api):
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        assert answer.headers["Retry-After"] in answer.text
    limited.moment += timedelta(seconds=int(api.headers["Retry-After"]))
    assert ask(client).status_code == 200


def test_the_answer_is_as_described(limited: Website) -> None:
    checked = Checked(limited.client(), set())
    for _ in range(LIMIT):
        checked("GET", "/api/v1/openapi.json")
    nobodys = "/api/v1/requests/01890000-0000-7000-8000-000000000000"
    for method, address in (
        ("GET", "/api/v1/openapi.json"),
        ("GET", "/api/v1/requests"),
        ("POST", "/api/v1/requests"),
        ("POST", "/api/v1/batches"),
        ("GET", nobodys),
        ("DELETE", nobodys),
        ("GET", f"{nobodys}/certificate"),
        ("GET", "/api/v1/ca"),
        ("GET", "/api/v1/ca.pem"),
    ):
        assert checked(method, address).status_code == 429


def test_other_addresses_go_on(limited: Website) -> None:
    client = limited.client()
    statuses(client, LIMIT + 1)
    assert ask(client).status_code == 429
    assert ask(client, of="192.0.2.2").status_code == 200


def test_a_network_of_ipv6_is_counted_as_one(limited: Website) -> None:
    client = limited.client()
    addresses = [f"2001:db8:0:1::{number:x}" for number in range(LIMIT + 1)]
    found = [ask(client, of=address).status_code for address in addresses]
    assert found == [200] * LIMIT + [429]
    assert ask(client, of="2001:db8:0:2::1").status_code == 200


@pytest.mark.parametrize(
    ("address", "subject"),
    [
        ("192.0.2.1", "address:192.0.2.1"),
        ("::ffff:192.0.2.1", "address:192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "address:2001:db8:1:2::/64"),
        ("fe80::1%eth0", "address:fe80::/64"),
        ("192.0.2.1:80", "address:unknown"),
        ("x" * 10_000, "address:unknown"),
        ("", "address:unknown"),
        (None, "address:unknown"),
    ],
)
def test_whom_an_address_is_counted_for(address: str | None, subject: str) -> None:
    assert subject_of(address) == subject


def test_a_requester_is_counted_wherever_they_ask_from(limited: Website) -> None:
    client, other = limited.client(limited.token("builds")), limited.client(limited.token("web"))
    found = [ask(client, of=f"192.0.2.{number}").status_code for number in range(2 * LIMIT + 1)]
    assert found == [200] * (2 * LIMIT) + [429]
    assert ask(other, of="192.0.2.99").status_code == 200
    assert "With your token" in ask(client, "/api/v1/ca", of="192.0.2.98").json["detail"]


def test_a_wrong_token_counts_for_the_address(limited: Website) -> None:
    client = limited.client("httpca_" + "x" * 43)
    assert statuses(client, LIMIT + 1) == {401: LIMIT, 429: 1}


def test_each_submission_of_a_batch_counts(limited: Website) -> None:
    client = limited.client()
    item = {"csr": factories.openssl_csr().decode(), "profile": "server"}

    def send(count: int) -> int:
        status: int = client.post("/api/v1/batches", json={"requests": [item] * count}).status_code
        return status

    assert send(3) == 202
    assert send(3) == 429
    with limited.database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(tables.requests)) == 3
    limited.moment += timedelta(minutes=1)
    assert send(LIMIT + 10) == 202  # one call never counts more than a minute has
    assert send(1) == 429


def test_processes_share_the_count(limited: Website) -> None:
    other = create_app(limited.settings, limited.database, lambda: limited.moment)
    found = Counter(
        ask(app.test_client()).status_code for _ in range(LIMIT) for app in (limited.app, other)
    )
    assert found == {200: LIMIT, 429: LIMIT}
    other.extensions["httpca"].notifier.close()


def test_health_and_metrics_are_always_answered(limited: Website) -> None:
    client = limited.client()
    statuses(client, LIMIT + 1)
    for address in ("/healthz", "/readyz", "/metrics", "/static/httpca.css"):
        answer = ask(client, address)
        assert answer.status_code == 200
        answer.close()


def test_a_limit_of_nought_is_none_and_costs_nothing(tmp_path: Path) -> None:
    website = Website(tmp_path, limits={"address": 0, "requester": 0})
    counted = writes(website)
    assert statuses(website.client(website.token("me")), 50, address="/ca") == {200: 50}
    assert counted == []
    website.close()


def test_a_thousand_requests_cost_a_hundred_writes_at_most(website: Website) -> None:
    counted = writes(website)
    permits = Permits(website.database, lambda: website.moment)
    granted = [permits.take("address:192.0.2.1", 1000) for _ in range(3000)]
    assert granted == [True] * 1000 + [False] * 2000
    assert len(counted) == 100


@pytest.mark.parametrize(
    ("trusted", "expected"), [(0, {200: LIMIT, 429: LIMIT}), (1, {200: 2 * LIMIT})]
)
def test_the_address_that_somebody_names_counts_only_behind_a_trusted_proxy(
    tmp_path: Path, trusted: int, expected: dict[int, int]
) -> None:
    website = Website(tmp_path, http={"trusted_proxies": trusted}, limits={"address": LIMIT})
    client = website.client()
    found = Counter(
        ask(client, headers={"X-Forwarded-For": f"198.51.100.9, 203.0.113.{number}"}).status_code
        for number in range(2 * LIMIT)
    )
    assert found == expected
    website.close()


def test_behind_a_proxy_the_client_cannot_choose_its_address(tmp_path: Path) -> None:
    website = Website(tmp_path, http={"trusted_proxies": 1}, limits={"address": LIMIT})
    client = website.client()
    for number in range(LIMIT):  # the last one is what the proxy added
        ask(client, headers={"X-Forwarded-For": f"198.51.100.{number}, 203.0.113.1"})
    refused = ask(client, headers={"X-Forwarded-For": "198.51.100.77, 203.0.113.1"})
    assert refused.status_code == 429
    website.close()


def test_without_database_each_process_counts_by_itself(website: Website) -> None:
    permits = Permits(website.database, lambda: website.moment)
    website.break_database()
    assert [permits.take("address:192.0.2.1", LIMIT) for _ in range(LIMIT + 2)] == [
        True
    ] * LIMIT + [False] * 2
    website.moment += timedelta(minutes=1)
    assert permits.take("address:192.0.2.1", LIMIT)


def test_a_process_remembers_a_bounded_number_of_addresses(website: Website) -> None:
    permits = Permits(website.database, lambda: website.moment)
    website.break_database()
    for number in range(REMEMBERED + 50):
        permits.take(f"address:{number}", LIMIT)
    assert len(permits._shares) == REMEMBERED


def test_old_counts_are_deleted(limited: Website) -> None:
    ask(limited.client())
    for minutes, left in ((1, 1), (2, 0)):
        with limited.database.write() as connection:
            forget(connection, limited.moment + timedelta(minutes=minutes))
        with limited.database.read() as connection:
            assert connection.scalar(select(func.count()).select_from(tables.rates)) == left


def test_a_clock_that_was_ahead_locks_nobody_out(limited: Website) -> None:
    limited.moment += timedelta(days=1)
    statuses(limited.client(), LIMIT + 1)
    limited.moment -= timedelta(days=1)
    with limited.database.write() as connection:
        forget(connection, limited.moment)
    assert ask(limited.client()).status_code == 200
