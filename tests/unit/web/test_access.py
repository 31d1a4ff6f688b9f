"""Who may do what: every endpoint against everybody."""

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from pipeline.web import tokens
from pipeline.web.access import ENDPOINTS, Admits
from tests import factories
from tests.unit.web.browser import csrf_token, hidden, review, sign_in
from tests.website import Website

CSR = factories.openssl_csr()
BAD_TOKEN = "httpca_" + "x" * 43


def submit(client: FlaskClient) -> Any:
    return client.post(
        "/api/v1/requests?profile=server", data=CSR, content_type="application/x-pem-file"
    )


CALLS: dict[str, Any] = {
    "submit": lambda client, _id: submit(client),
    "list": lambda client, _id: client.get("/api/v1/requests"),
    "show": lambda client, of: client.get(f"/api/v1/requests/{of}"),
    "certificate": lambda client, of: client.get(f"/api/v1/requests/{of}/certificate"),
    "withdraw": lambda client, of: client.delete(f"/api/v1/requests/{of}"),
    "ca": lambda client, _id: client.get("/api/v1/ca"),
    "root": lambda client, _id: client.get("/api/v1/ca.pem"),
    "openapi": lambda client, _id: client.get("/api/v1/openapi.json"),
    "page": lambda client, of: client.get(f"/requests/{of}"),
    "download": lambda client, of: client.get(f"/requests/{of}/certificate.pem"),
    "pages": lambda client, _id: client.get("/requests"),
    "form": lambda client, _id: client.get("/"),
    "ca page": lambda client, _id: client.get("/ca"),
    "health": lambda client, _id: client.get("/healthz"),
}

# What each gets for a request of the owner's that was issued.
TABLE = {
    # call: (anonymous, owner, other, bad token)
    "submit": (202, 202, 202, 401),
    "list": (401, 200, 200, 401),
    "show": (404, 200, 404, 401),
    "certificate": (404, 200, 404, 401),
    "withdraw": (404, 409, 404, 401),
    "ca": (200, 200, 200, 401),
    "root": (200, 200, 200, 401),
    "openapi": (200, 200, 200, 200),
    "page": (404, 200, 404, 401),
    "download": (404, 200, 404, 401),
    "pages": (401, 200, 200, 401),
    "form": (200, 200, 200, 401),
    "ca page": (200, 200, 200, 401),
    "health": (200, 200, 200, 200),
}

# And for one that was submitted anonymously: its id alone opens it.
ANONYMOUS = {
    "show": (200, 200, 200, 401),
    "certificate": (200, 200, 200, 401),
    "withdraw": (409, 409, 409, 401),
    "page": (200, 200, 200, 401),
    "download": (200, 200, 200, 401),
}


def everybody(website: Website) -> list[FlaskClient]:
    owner, other = website.token("owner"), website.token("other")
    return [website.client(token) for token in (None, owner, other, BAD_TOKEN)]


@pytest.mark.parametrize("call", TABLE)
def test_a_known_requesters_request_is_theirs_alone(website: Website, call: str) -> None:
    request_id = website.submit(requester="owner")
    website.issue(request_id)
    statuses = [CALLS[call](client, request_id).status_code for client in everybody(website)]
    assert tuple(statuses) == TABLE[call]


@pytest.mark.parametrize("call", ANONYMOUS)
def test_an_anonymous_request_is_reached_by_its_id(website: Website, call: str) -> None:
    request_id = website.submit()
    website.issue(request_id)
    statuses = [CALLS[call](client, request_id).status_code for client in everybody(website)]
    assert tuple(statuses) == ANONYMOUS[call]


def test_every_endpoint_is_in_the_table_of_access(website: Website) -> None:
    assert set(website.app.view_functions) == set(ENDPOINTS)
    asking = {name for name, admits in ENDPOINTS.items() if admits is not Admits.UNASKED}
    assert {name for name in asking if name.startswith("api.")} == {
        f"api.{name}"
        for name in (
            "submit",
            "submit_batch",
            "listed",
            "shown",
            "certificate",
            "withdraw",
            "authorities",
            "checkpoints",
            "root",
        )
    }


@pytest.mark.parametrize(
    "header",
    [
        f"Bearer {BAD_TOKEN}",
        "Bearer",
        "Bearer ",
        "Basic dXNlcjpwYXNz",
        "Basic \xff",
        "Bearer \xff",
        "nonsense",
        "Bearer \u00fc",
        "Bearer a b",
    ],
)
def test_what_is_sent_and_wrong_is_never_taken_for_anonymous(website: Website, header: str) -> None:
    answer = website.client().post(
        "/api/v1/requests?profile=server",
        data=CSR,
        content_type="application/x-pem-file",
        headers={"Authorization": header},
    )
    assert (answer.status_code, answer.json["type"]) == (401, "/problems/bad-token")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_a_revoked_token_is_worth_nothing(website: Website) -> None:
    client = website.client(website.token("web-team"))
    assert submit(client).status_code == 202
    tokens.revoke(website.database, "web-team", "root", website.moment)
    website.moment += tokens.FRESH
    assert submit(client).status_code == 401


def test_a_clock_that_is_set_back_makes_no_token_good_for_longer(website: Website) -> None:
    client = website.client(website.token("web-team"))
    assert submit(client).status_code == 202
    tokens.revoke(website.database, "web-team", "root", website.moment)
    website.moment -= timedelta(hours=1)
    assert submit(client).status_code == 401


def test_anonymous_submission_is_refused_where_it_is_not_allowed(closed_website: Website) -> None:
    answer = submit(closed_website.client())
    assert (answer.status_code, answer.json["type"]) == (401, "/problems/not-authenticated")
    assert "Authorization: Bearer" in answer.json["detail"]
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert submit(closed_website.client(closed_website.token("web-team"))).status_code == 202
    client = closed_website.client()
    assert review(client, CSR.decode()).status_code == 401
    assert "Sign in with your token" in client.get("/").text


def test_the_api_does_not_look_at_cookies(website: Website) -> None:
    client = website.client()
    assert sign_in(client, website.token("web-team")).status_code == 303
    assert client.get("/requests").status_code == 200
    assert client.get("/api/v1/requests").status_code == 401


def test_a_browser_signs_in_and_out(website: Website) -> None:
    client = website.client()
    refused = sign_in(client, BAD_TOKEN)
    assert refused.status_code == 401
    entered = sign_in(client, f" {website.token('web-team')} ", next="/requests")
    assert (entered.status_code, entered.headers["Location"]) == (303, "/requests")
    answer = review(client, CSR.decode())
    assert client.post("/requests", data=hidden(answer)).status_code == 303
    assert "www.example.test" in client.get("/requests").text
    client.post("/sign-out", data={"csrf_token": csrf_token(client)})
    assert client.get("/requests").status_code == 401


def test_a_revoked_token_ends_its_sessions(website: Website) -> None:
    client = website.client()
    sign_in(client, website.token("web-team"))
    assert client.get("/requests").status_code == 200
    tokens.revoke(website.database, "web-team", "root", website.moment)
    website.moment += tokens.FRESH
    assert client.get("/requests").status_code == 401
    website.token("web-team")
    assert client.get("/requests").status_code == 401


def test_the_session_cookie_does_not_hold_the_token(website: Website) -> None:
    client = website.client()
    token = website.token("web-team")
    sign_in(client, token)
    cookie = client.get_cookie("httpca")
    assert cookie is not None
    assert token not in cookie.decoded_value
    assert cookie.http_only
    assert cookie.same_site == "Lax"
    assert not cookie.secure


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/\r\nX: y",
    ],
)
def test_signing_in_leads_only_to_our_own_pages(website: Website, wanted: str) -> None:
    client = website.client()
    entered = sign_in(client, website.token("web-team"), next=wanted)
    assert entered.headers["Location"] == "/"
    switched = client.get("/language/de", query_string={"next": wanted})
    assert switched.headers["Location"] == "/"
