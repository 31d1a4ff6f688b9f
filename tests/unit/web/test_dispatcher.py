"""Who answers: submissions wait for their commit without a thread for each, and hold up nobody."""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import request

from pipeline.web.dispatcher import SHORT_BODY
from pipeline.web.submit import _ONE_IN_BULK, FEW
from tests import factories
from tests.unit.web.held_commits import Commits
from tests.unit.web.test_connections import NOT_FOR_EVER, connect, serving
from tests.waiting import wait_until
from tests.website import Website

AT_ONCE = 8

DER = {"Content-Type": "application/pkcs10"}


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[Website]:
    """A website with two threads, besides the one that serves; permits would be a commit, too."""
    http = {"threads": 2, "long_polls": 1}
    website = Website(tmp_path, http, limits={"address": 0, "requester": 0})
    yield website
    website.close()


def submit(url: str) -> requests.Response:
    """Submit a small CSR."""
    return requests.post(
        f"{url}/api/v1/requests?profile=server",
        data=factories.csr(),
        headers=DER,
        timeout=NOT_FOR_EVER,
    )


def submitting(
    website: Website, commits: Commits, url: str, pool: ThreadPoolExecutor
) -> list[Future[requests.Response]]:
    """Have several submitted at once; return their answers to come, when all wait for a commit."""
    first = pool.submit(submit, url)
    wait_until(lambda: commits.under_way == 1)
    others = [pool.submit(submit, url) for _ in range(AT_ONCE - 1)]
    wait_until(lambda: len(website.site.intake._waiting) == AT_ONCE - 1)
    return [first, *others]


def test_whoever_waits_for_a_commit_takes_no_thread(narrow: Website) -> None:
    commits = Commits(narrow)
    with serving(narrow) as url, ThreadPoolExecutor(AT_ONCE) as pool:
        answers = submitting(narrow, commits, url, pool)
        try:
            for path in ("/healthz", "/api/v1/ca"):
                assert requests.get(url + path, timeout=NOT_FOR_EVER).status_code == 200
        finally:
            commits.go_on.set()
        assert [answer.result().status_code for answer in answers] == [202] * AT_ONCE
        assert commits.under_way == 2
        assert len({answer.result().json()["id"] for answer in answers}) == AT_ONCE


def test_threads_that_are_all_taken_by_batches_store_what_came_before_them(
    narrow: Website, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would wait for a commit for which there is no thread, for ever."""
    monkeypatch.setattr("pipeline.web.dispatcher.LONG", {})
    one = {"csr": factories.openssl_csr().decode(), "profile": "server"}
    batch = {"requests": [one] * (FEW + 1)}
    begun: list[str | None] = []
    narrow.app.before_request(lambda: begun.append(request.endpoint))
    with serving(narrow) as url, ThreadPoolExecutor(3) as pool:

        def post(path: str, body: dict[str, Any]) -> Future[requests.Response]:
            return pool.submit(requests.post, url + path, json=body, timeout=NOT_FOR_EVER)

        with _ONE_IN_BULK:  # so none of them is stored yet
            answers = [post("/api/v1/batches", batch) for _ in range(2)]
            wait_until(lambda: begun == ["api.submit_batch"] * 2)
            answers.append(post("/api/v1/requests", one))
            wait_until(lambda: len(narrow.site.intake._waiting) == 1)
        assert [answer.result().status_code for answer in answers] == [202] * 3


@pytest.mark.parametrize(
    ("method", "path", "answered"),
    [
        ("POST", "/api/v1/batches", 415),
        ("POST", "//api/v1/batches", 415),
        ("GET", "/requests", 401),
    ],
)
def test_much_that_takes_long_keeps_nobody_else_waiting(
    narrow: Website, method: str, path: str, answered: int
) -> None:
    begun, go_on = threading.Semaphore(0), threading.Event()

    def hold() -> None:
        if request.endpoint in ("api.submit_batch", "html.listed"):
            begun.release()
            assert go_on.wait(NOT_FOR_EVER)

    narrow.app.before_request_funcs[None].insert(0, hold)
    with serving(narrow) as url, ThreadPoolExecutor(AT_ONCE) as pool:
        answers = [
            pool.submit(requests.request, method, url + path, timeout=NOT_FOR_EVER)
            for _ in range(AT_ONCE)
        ]
        try:
            assert begun.acquire(timeout=NOT_FOR_EVER)
            for _ in range(AT_ONCE):
                assert requests.get(f"{url}/healthz", timeout=NOT_FOR_EVER).status_code == 200
        finally:
            go_on.set()
        assert [answer.result().status_code for answer in answers] == [answered] * AT_ONCE


def test_everybody_is_told_when_the_commit_fails(narrow: Website) -> None:
    commits = Commits(narrow)
    commits.fail = True
    with serving(narrow) as url, ThreadPoolExecutor(AT_ONCE) as pool:
        answers = submitting(narrow, commits, url, pool)
        commits.go_on.set()
        assert [answer.result().status_code for answer in answers] == [503] * AT_ONCE
        commits.fail = False
        assert submit(url).status_code == 202


def test_what_waits_for_a_commit_when_the_server_ends_is_answered(narrow: Website) -> None:
    commits = Commits(narrow)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        with serving(narrow) as url:
            answers = submitting(narrow, commits, url, pool)
            timer = threading.Timer(0.3, commits.go_on.set)
            timer.start()
        assert [answer.result().status_code for answer in answers] == [202] * AT_ONCE


def test_submissions_that_follow_one_another_are_answered_in_their_order(website: Website) -> None:
    """By one connection, without waiting for the answers."""
    body = factories.csr()
    head = f"Host: localhost\r\nContent-Type: application/pkcs10\r\nContent-Length: {len(body)}\r\n"
    asked = b"".join(
        f"POST /api/v1/requests?profile={profile} HTTP/1.1\r\n{head}\r\n".encode() + body
        for profile in ("server", "none-such", "client")
    )
    with serving(website) as url, connect(url) as connection:
        connection.sendall(asked)
        answers = [answer(connection) for _ in range(3)]
    assert [status for status, _ in answers] == [202, 422, 202]
    assert [b'"server"' in answers[0][1], b'"client"' in answers[2][1]] == [True, True]


def answer(connection: socket.socket) -> tuple[int, bytes]:
    """Read one answer; return its status and body, and leave the next one where it is."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    body = b""
    while len(body) < length:
        body += connection.recv(length - len(body))
    return int(head.split(b" ")[1]), body


def test_all_that_a_submission_may_ask_the_database_is_asked_elsewhere(tmp_path: Path) -> None:
    """The token, permits, the idempotency key: the thread that serves may wait for none of them."""
    website = Website(tmp_path, limits={"address": 1000, "requester": 1000})
    headers = {
        **DER,
        "Authorization": f"Bearer {website.token('requester')}",
        "Idempotency-Key": "the-same",
    }
    with serving(website) as url:
        address, octets = f"{url}/api/v1/requests?profile=server", factories.csr()
        answers = [
            requests.post(address, data=octets, headers=headers, timeout=NOT_FOR_EVER)
            for _ in range(2)
        ]
        other = requests.post(address, data=factories.csr(), headers=headers, timeout=NOT_FOR_EVER)
        wrong = headers | {"Authorization": "Bearer of-nobody"}
        nobody = requests.post(address, data=octets, headers=wrong, timeout=NOT_FOR_EVER)
    assert [one.status_code for one in (*answers, other, nobody)] == [202, 202, 409, 401]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    website.close()


def test_the_thread_that_serves_answers_only_what_is_short(website: Website) -> None:
    answered_by: list[str] = []
    app: Callable[..., Any] = website.app.wsgi_app

    def noted(environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        answered_by.append(threading.current_thread().name)
        return app(environ, start)

    website.app.wsgi_app = noted  # type: ignore[assignment, method-assign]
    large = factories.csr(tuple(f"DNS:host-{number}.example.test" for number in range(500)))
    assert len(large) > SHORT_BODY
    with serving(website) as url:
        for octets in (factories.csr(), large):
            requests.post(
                f"{url}/api/v1/requests?profile=server",
                data=octets,
                headers=DER,
                timeout=NOT_FOR_EVER,
            )
        requests.get(f"{url}/healthz", timeout=NOT_FOR_EVER)
    short, long, read = answered_by
    assert not short.startswith("waitress-")
    assert long.startswith("waitress-")
    assert read.startswith("waitress-")


def test_one_after_the_other_by_many_connections(website: Website) -> None:
    """Answers under way by the hundred: each comes, and to whom it belongs."""
    with serving(website) as url, ExitStack() as stack:
        ids: list[str] = []
        csr = factories.openssl_csr().decode()
        sessions = [stack.enter_context(requests.Session()) for _ in range(4)]

        def several(session: requests.Session) -> list[str]:
            made = []
            for number in range(25):
                comment = f"{id(session)} {number}"
                body = {"csr": csr, "profile": "server", "comment": comment}
                found = session.post(f"{url}/api/v1/requests", json=body, timeout=NOT_FOR_EVER)
                assert found.json()["comment"] == comment
                made.append(found.json()["id"])
            return made

        with ThreadPoolExecutor(4) as pool:
            for made in pool.map(several, sessions):
                ids += made
    assert len(set(ids)) == 100
