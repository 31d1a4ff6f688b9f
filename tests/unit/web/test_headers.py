"""What every answer tells browsers, caches and proxies."""

from pathlib import Path

import pytest

from pipeline.web.secret import secret_key
from tests.unit.web.browser import HTML, csrf_token, parse
from tests.website import Website

IN_THE_API = ["/api/v1/ca", "/api/v1/nothing", "/api/v1/openapi.json"]
ADDRESSES = ["/", "/ca", "/sign-in", "/requests", "/nothing", "/static/httpca.css", "/healthz"]
ADDRESSES += IN_THE_API


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_answer_has_the_security_headers(website: Website, address: str) -> None:
    answer = website.client().get(address)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "script-src" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert "Strict-Transport-Security" not in answer.headers
    answer.close()


@pytest.mark.parametrize("address", ["/static/httpca.css", "/healthz", *IN_THE_API])
def test_head_is_answered_as_get_is_but_without_a_body(website: Website, address: str) -> None:
    client = website.client()
    with client.get(address) as got, client.head(address) as answer:
        assert (answer.status, answer.data) == (got.status, b"")
        assert answer.headers["Content-Length"] == str(len(got.data))
        assert list(answer.headers.keys()) == list(got.headers.keys())


@pytest.mark.parametrize("address", ["/", "/ca", "/sign-in", "/nothing"])
def test_pages_have_nothing_that_the_policy_forbids(website: Website, address: str) -> None:
    website.introduce()
    for element in parse(website.client().get(address)).iter():
        assert element.tag not in (f"{HTML}script", f"{HTML}style", f"{HTML}iframe")
        assert not [name for name in element.attrib if name == "style" or name.startswith("on")]


def test_what_is_somebodys_is_not_cached(website: Website) -> None:
    request_id = website.submit()
    for address in (f"/requests/{request_id}", f"/api/v1/requests/{request_id}", "/"):
        answer = website.client().get(address)
        assert answer.headers["Cache-Control"] == "no-store"
        assert {"Cookie", "Authorization", "Accept-Language"} <= set(answer.vary)


@pytest.mark.parametrize("address", ["/static/nothing", "/static/httpca.css"])
def test_a_page_about_a_file_is_not_cached_as_the_file_is(website: Website, address: str) -> None:
    answer = website.client().get(address, headers={"Range": "bytes=999999-"})
    assert answer.status_code in (404, 416)
    assert answer.headers["Cache-Control"] == "no-store"
    assert {"Cookie", "Accept-Language"} <= set(answer.vary)


DATES = [
    "Thu, 01 Jan 99999999999999999999 00:00:00 GMT",
    "Thu, 01 Jan 1970 00:00:00 +99999999999999",
]


@pytest.mark.parametrize("date", DATES)
def test_a_date_that_there_cannot_be_is_ignored(website: Website, date: str) -> None:
    for sent, answered in (
        ({"If-Modified-Since": date}, 200),
        ({"If-Range": date, "Range": "bytes=0-1"}, 200),
    ):
        with website.client().get("/static/httpca.css", headers=sent) as answer:
            assert answer.status_code == answered


def test_behind_tls_cookies_are_secure_and_browsers_stay_with_it(tmp_path: Path) -> None:
    website = Website(tmp_path, http={"trusted_proxies": 1})
    client = website.client()
    answer = client.get("/", headers={"X-Forwarded-Proto": "https"})
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=")
    assert "; Secure" in answer.headers["Set-Cookie"]
    website.close()


def test_proxies_are_not_believed_unless_they_are_set(website: Website) -> None:
    answer = website.client().get("/", headers={"X-Forwarded-Proto": "https"})
    assert "Strict-Transport-Security" not in answer.headers
    assert "; Secure" not in answer.headers["Set-Cookie"]


def test_the_secret_is_made_once_and_is_private(website: Website, tmp_path: Path) -> None:
    file = tmp_path / "data" / "web.secret"
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(file.read_text().strip()) >= 40
    assert secret_key(website.settings) == website.app.config["SECRET_KEY"]
    assert list(file.parent.iterdir()) == [file]


def test_signing_in_needs_the_forms_own_token(website: Website) -> None:
    token = website.token("me")
    stranger = csrf_token(website.client())
    answer = website.client().post("/sign-in", data={"token": token, "csrf_token": stranger})
    assert answer.status_code == 400
