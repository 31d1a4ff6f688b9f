"""Long polls share one thread, never use up the server's, and end when the server does."""

import threading
import time
from typing import Any

import pytest

from pipeline.states import State
from pipeline.web.notifier import Waited
from pipeline.web.tokens import FRESH, revoke
from tests.waiting import wait_until
from tests.website import Website

NOT_FOR_EVER = 45.0
"""Seconds: less than a wait of a minute, and otherwise against hanging only."""


def in_background(work: Any) -> tuple[threading.Thread, list[Any]]:
    """Do it in a thread; return that, and the list that the result will be in."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    return thread, results


def test_an_answer_is_held_until_the_state_is_final(website: Website) -> None:
    request_id = website.submit()
    thread, results = in_background(
        lambda: website.client().get(
            f"/api/v1/requests/{request_id}", headers={"Prefer": "wait=60"}
        )
    )
    wait_until(lambda: website.site.notifier.waiting == 1)
    website.move(request_id, State.WAITING_FOR_APPROVAL)
    time.sleep(0.1)
    assert not results
    website.issue(request_id)
    begun = time.monotonic()
    thread.join(timeout=NOT_FOR_EVER)
    assert time.monotonic() - begun < NOT_FOR_EVER
    assert results[0].json["state"] == "issued"
    assert results[0].json["certificate"]
    assert results[0].headers["Preference-Applied"] == "wait=60"
    assert website.site.notifier.waiting == 0


def test_a_wait_that_is_over_answers_with_the_present_state(website: Website) -> None:
    request_id = website.submit()
    begun = time.monotonic()
    answer = website.client().get(
        f"/api/v1/requests/{request_id}", headers={"Prefer": "respond-async, wait=1"}
    )
    assert 0.9 < time.monotonic() - begun < NOT_FOR_EVER
    assert answer.json["state"] == "submitted"
    assert answer.headers["Preference-Applied"] == "wait=1"


def test_what_is_final_is_not_waited_for(website: Website) -> None:
    request_id = website.submit()
    website.issue(request_id)
    answer = website.client().get(f"/api/v1/requests/{request_id}", headers={"Prefer": "wait=60"})
    assert answer.json["state"] == "issued"
    assert "Preference-Applied" not in answer.headers


def test_what_became_final_before_it_was_watched_is_noticed(website: Website) -> None:
    request_id = website.submit()
    website.issue(request_id)
    assert website.site.notifier.wait_final(request_id, 30) is Waited.FINAL


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ("wait=1", "wait=1"),
        ("wait=0", "wait=0"),
        ('Wait = "1"', "wait=1"),
        ("return=minimal, wait=1", "wait=1"),
        ("await=1", None),
        ("wait=soon", None),
        ("wait=-1", None),
        ("", None),
    ],
)
def test_only_a_preference_that_is_understood_is_applied(
    website: Website, prefer: str, applied: str | None
) -> None:
    request_id = website.submit()
    answer = website.client().get(f"/api/v1/requests/{request_id}", headers={"Prefer": prefer})
    assert answer.headers.get("Preference-Applied") == applied


def test_a_wait_is_at_most_a_minute(website: Website, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    def wait_final(_request_id: str, seconds: float) -> Waited:
        waits.append(seconds)
        return Waited.TIMEOUT

    monkeypatch.setattr(website.site.notifier, "wait_final", wait_final)
    request_id = website.submit()
    website.client().get(f"/api/v1/requests/{request_id}", headers={"Prefer": "wait=86400"})
    assert waits == [60]


def test_past_the_limit_the_answer_comes_at_once(website: Website) -> None:
    request_id = website.submit()
    places = website.settings.http.long_polls
    wait = {"Prefer": "wait=60"}
    address = f"/api/v1/requests/{request_id}"
    held = [
        in_background(lambda: website.client().get(address, headers=wait)) for _ in range(places)
    ]
    wait_until(lambda: website.site.notifier.waiting == places)
    begun = time.monotonic()
    answer = website.client().get(address, headers=wait)
    assert time.monotonic() - begun < NOT_FOR_EVER
    assert (answer.status_code, answer.json["state"]) == (200, "submitted")
    assert int(answer.headers["Retry-After"]) >= 1
    assert "Preference-Applied" not in answer.headers
    looking = [thread for thread in threading.enumerate() if thread.name == "long-polls"]
    assert len(looking) == 1
    website.issue(request_id)
    for thread, results in held:
        thread.join(timeout=NOT_FOR_EVER)
        assert results[0].json["state"] == "issued"


def test_every_wait_ends_when_the_server_stops(website: Website) -> None:
    request_id = website.submit()
    held = [
        in_background(lambda: website.site.notifier.wait_final(request_id, 60)) for _ in range(3)
    ]
    wait_until(lambda: website.site.notifier.waiting == 3)
    website.site.notifier.close()
    for thread, results in held:
        thread.join(timeout=NOT_FOR_EVER)
        assert results == [Waited.TIMEOUT]
    assert website.site.notifier.wait_final(request_id, 60) is Waited.BUSY


def test_nobody_waits_for_what_is_not_theirs(website: Website) -> None:
    request_id = website.submit(requester="me")
    begun = time.monotonic()
    answer = website.client().get(f"/api/v1/requests/{request_id}", headers={"Prefer": "wait=60"})
    assert answer.status_code == 404
    assert time.monotonic() - begun < NOT_FOR_EVER


def test_whose_token_is_revoked_meanwhile_is_not_told_how_it_ended(website: Website) -> None:
    client = website.client(website.token("me"))
    request_id = website.submit(requester="me")
    thread, results = in_background(
        lambda: client.get(f"/api/v1/requests/{request_id}", headers={"Prefer": "wait=60"})
    )
    wait_until(lambda: website.site.notifier.waiting == 1)
    revoke(website.database, "me", "root", website.moment)
    website.moment += FRESH
    website.issue(request_id)
    thread.join(timeout=NOT_FOR_EVER)
    assert results[0].status_code == 401
    assert results[0].json["type"] == "/problems/bad-token"


def test_without_anybody_waiting_nothing_looks(website: Website) -> None:
    request_id = website.submit()
    assert website.site.notifier.wait_final(request_id, 0.1) is Waited.TIMEOUT
    looks: list[int] = []
    website.site.notifier._look = lambda: looks.append(1)  # type: ignore[method-assign]
    time.sleep(0.2)
    assert len(looks) <= 1


def test_a_thread_that_cannot_be_started_is_started_by_the_next_who_waits(
    website: Website, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    notifier, request_id = website.site.notifier, website.submit()
    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            notifier.wait_final(request_id, 60)
    assert notifier.waiting == 0

    thread, results = in_background(lambda: notifier.wait_final(request_id, 60))
    wait_until(lambda: notifier.waiting == 1)
    website.issue(request_id)
    thread.join(timeout=NOT_FOR_EVER)
    assert results == [Waited.FINAL]
