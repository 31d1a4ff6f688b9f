"""No form can be sent by another site, and no cookie can be set or read by one."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.web.access import ENDPOINTS
from tests import factories
from tests.unit.web.browser import HTML, csrf_token, parse, review, sign_in
from tests.website import Website

SAFE = {"GET", "HEAD", "OPTIONS"}

FORMS = {"html.edit", "html.review", "html.submit", "html.withdraw", "session.enter"}
FORMS |= {"session.sign_out"}

TLS = {"X-Forwarded-Proto": "https"}


def changing(website: Website) -> list[tuple[str, str, str]]:
    """Return every route of a page that changes something: endpoint, method, address."""
    adapter = website.app.url_map.bind("localhost")
    request_id = website.submit()
    found = []
    for rule in website.app.url_map.iter_rules():
        if not rule.endpoint.startswith("api."):
            values = {name: request_id for name in rule.arguments if name == "request_id"}
            for method in (rule.methods or set()) - SAFE:
                found.append((rule.endpoint, method, adapter.build(rule.endpoint, values, method)))
    return found


def test_every_route_that_changes_something_needs_the_forms_token(website: Website) -> None:
    routes = changing(website)
    assert {endpoint for endpoint, _, _ in routes} == FORMS
    assert {method for _, method, _ in routes} == {"POST"}
    client = website.client()
    right = csrf_token(client)
    for _, _, address in routes:
        for wrong in ({}, {"csrf_token": ""}, {"csrf_token": "x" * 60}, {"csrf_token": right[:-2]}):
            answer = client.post(address, data=wrong)
            assert answer.status_code == 400, address
            assert "form has expired" in answer.text, address
    twin = client.post("/sign-out", data={"csrf_token": right})
    assert twin.status_code == 303


def test_the_token_is_worth_nothing_in_another_browser(website: Website) -> None:
    token = csrf_token(website.client())
    for _, _, address in changing(website):
        assert website.client().post(address, data={"csrf_token": token}).status_code == 400


def test_every_form_on_every_page_has_the_token_and_leads_here(website: Website) -> None:
    client = website.client()
    sign_in(client, website.token("web-team"))
    request_id = website.submit(requester="web-team")
    pages = [client.get(address) for address in ("/", "/sign-in", f"/requests/{request_id}")]
    pages.append(review(client, factories.openssl_csr().decode()))
    forms = [form for page in pages for form in parse(page).iter(f"{HTML}form")]
    assert len(forms) >= 7
    for form in forms:
        assert form.get("method") == "post"
        assert form.get("action").startswith("/")
        names = {field.get("name") for field in form.iter(f"{HTML}input")}
        assert "csrf_token" in names


def test_the_api_takes_no_form_and_no_cookie(website: Website) -> None:
    client = website.client()
    sign_in(client, website.token("web-team"))
    fields = {"csr": factories.openssl_csr().decode(), "profile": "server"}
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
        answer = client.post("/api/v1/requests", data=fields, content_type=kind)
        assert answer.status_code == 415
    assert client.post("/api/v1/requests", data=b"{}", content_type="text/plain").status_code == 415
    assert client.get("/api/v1/requests").status_code == 401
    assert not [name for name in ENDPOINTS if name.startswith("api.") and name in FORMS]


@pytest.fixture
def behind_tls(tmp_path: Path) -> Any:
    made = Website(tmp_path, http={"trusted_proxies": 1})
    yield made
    made.close()


def test_behind_tls_the_cookie_belongs_to_this_host_alone(behind_tls: Website) -> None:
    client = behind_tls.client()
    set_cookie = client.get("/", headers=TLS).headers["Set-Cookie"]
    name, _, rest = set_cookie.partition("=")
    assert name == "__Host-httpca"
    attributes = {part.strip() for part in rest.split(";")[1:]}
    assert attributes == {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"}


def test_behind_tls_a_cookie_that_plain_http_set_is_not_read(behind_tls: Website) -> None:
    victim, attacker = behind_tls.client(), behind_tls.client()
    sign_in(attacker, behind_tls.token("attacker"))
    planted = attacker.get_cookie("httpca")
    assert planted is not None
    victim.set_cookie("httpca", planted.value)
    assert victim.get("/requests", headers=TLS).status_code == 401


def test_behind_tls_signing_in_works_and_other_sites_are_refused(behind_tls: Website) -> None:
    client = behind_tls.client()
    secure = {"base_url": "https://ca.example.test", "headers": TLS}
    page = client.get("/sign-in", **secure)
    token = next(
        field.get("value")
        for field in parse(page).iter(f"{HTML}input")
        if field.get("name") == "csrf_token"
    )
    fields = {"csrf_token": token, "token": behind_tls.token("web-team")}
    for referrer, status in (
        ("https://evil.example/", 400),
        ("https://ca.example.test.evil.example/", 400),
        ("https://ca.example.test/sign-in", 303),
    ):
        sent = {**secure, "headers": TLS | {"Referer": referrer}}
        assert client.post("/sign-in", data=fields, **sent).status_code == status, referrer


def test_a_part_without_a_name_is_no_field_and_no_error_of_ours(website: Website) -> None:
    client = website.client()
    right = csrf_token(client)
    for name, answered in (("other", 400), ("csrf_token", 200)):
        parts = [("", "x"), (f'; name="{name}"', right), ('; name="csr"', "y")]
        body = "".join(
            f"--b\r\nContent-Disposition: form-data{name}\r\n\r\n{text}\r\n" for name, text in parts
        )
        answer = client.post(
            "/", data=f"{body}--b--\r\n", content_type="multipart/form-data; boundary=b"
        )
        assert answer.status_code == answered
        assert ("form has expired" in answer.text) == (answered == 400)
