"""Errors become HTTP in one place, and never tell what is inside."""

import re
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

import pipeline
from pipeline.web.known_problems import PROBLEMS
from tests import factories
from tests.unit.web.browser import parse
from tests.website import Website

SLUG = re.compile(r'\b(?:Unreadable|TooLarge|Refused|RequesterError)\(\s*"([a-z0-9-]+)"')
STATUS = {"Unreadable": 400, "TooLarge": 413, "Refused": 422}


def test_every_problem_that_the_source_raises_is_known() -> None:
    root = Path(pipeline.__file__).parent
    raised = {
        slug
        for folder in ("crypto", "web")
        for file in (root / folder).rglob("*.py")
        for slug in SLUG.findall(file.read_text())
    }
    assert len(raised) > 20
    assert raised <= set(PROBLEMS)


def test_a_problems_status_is_that_of_its_family() -> None:
    root = Path(pipeline.__file__).parent
    raised = [
        (family, slug)
        for folder in ("crypto", "web")
        for file in (root / folder).rglob("*.py")
        for family, slug in re.findall(r'\b(\w+)\(\s*"([a-z0-9-]+)",', file.read_text())
        if family in STATUS
    ]
    assert {family for family, _ in raised} == set(STATUS)
    for family, slug in raised:
        assert PROBLEMS[slug].status == STATUS[family], (family, slug)


@pytest.mark.parametrize("slug", PROBLEMS)
def test_every_problem_has_a_page(website: Website, slug: str) -> None:
    answer = website.client().get(f"/problems/{slug}")
    assert answer.status_code == 200
    parse(answer)


ADDRESSES = ["/api/v1/requests", "/requests", "/api/v1/ca", "/ca", "/ca.pem", "/api/v1/ca.pem"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_database_out_of_reach_is_503_with_retry_after(website: Website, address: str) -> None:
    token = website.token("web-team")
    website.break_database()
    answer = website.client(token).get(address)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    if address.startswith("/api/"):
        assert answer.json["type"] == "/problems/database-unavailable"
    else:
        parse(answer)


def test_a_submission_without_database_is_503_and_readyz_says_so(website: Website) -> None:
    website.break_database()
    client = website.client()
    answer = client.post(
        "/api/v1/requests?profile=server",
        data=factories.csr(),
        content_type="application/pkcs10",
    )
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json["database"]) == (503, "unreachable")
    assert client.get("/healthz").status_code == 200
    assert client.get("/metrics").status_code == 200


@pytest.mark.parametrize("address", ["/api/v1/ca", "/ca"])
def test_a_defect_shows_a_number_that_is_in_the_log(
    website: Website, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    def broken(_connection: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr("pipeline.web.authorities.known", broken)
    structlog.reset_defaults()
    with capture_logs() as logged:
        answer = website.client().get(address)
    assert answer.status_code == 500
    for inside in ("ZeroDivisionError", "secret detail", "Traceback", ".py"):
        assert inside not in answer.text
    numbers = [entry["number"] for entry in logged if entry["event"] == "unexpected-error"]
    assert len(numbers) == 1
    assert numbers[0] in answer.text
