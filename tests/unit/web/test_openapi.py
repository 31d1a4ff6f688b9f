"""The description of the API is complete and true: every answer of a session is held against it."""

import re
from typing import Any

import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from openapi_spec_validator import OpenAPIV31SpecValidator
from werkzeug.test import TestResponse

from pipeline.states import State
from pipeline.web.access import ENDPOINTS
from pipeline.web.openapi import DOCUMENT
from pipeline.web.openapi_schemas import SCHEMAS
from tests import factories
from tests.website import Website

ID = re.compile(r"/requests/[^/]+")

Seen = set[tuple[str, str, int]]


class Checked:
    """A client that holds every answer against the description."""

    def __init__(self, client: FlaskClient, seen: Seen) -> None:
        self._client = client
        self._seen = seen

    def __call__(self, method: str, address: str, **further: Any) -> Any:
        answer = self._client.open(address, method=method, **further)
        path = ID.sub("/requests/{id}", address.partition("?")[0])
        described = DOCUMENT["paths"][path][method.lower()]["responses"]
        assert str(answer.status_code) in described, (method, path, answer.status_code)
        self._seen.add((method, path, answer.status_code))
        self._check(answer, described[str(answer.status_code)])
        return answer

    def _check(self, answer: TestResponse, described: dict[str, Any]) -> None:
        assert answer.mimetype in described["content"]
        for name, header in described.get("headers", {}).items():
            if name in answer.headers:
                validate(answer.headers[name], header["schema"])
            else:  # the two that are there or not
                assert name in ("Preference-Applied", "Retry-After")
        schema = described["content"][answer.mimetype].get("schema")
        if schema is not None:
            validate(answer.json, schema)


def validate(found: Any, schema: dict[str, Any]) -> None:
    """Fail unless it fits."""
    whole = {**schema, "components": {"schemas": SCHEMAS}}
    Draft202012Validator(whole, format_checker=FormatChecker()).validate(found)


@pytest.fixture
def seen() -> Seen:
    return set()


@pytest.fixture
def session(website: Website, seen: Seen) -> Checked:
    return Checked(website.client(), seen)


def test_the_document_is_openapi(website: Website) -> None:
    answer = website.client().get("/api/v1/openapi.json")
    assert answer.json == DOCUMENT
    OpenAPIV31SpecValidator(answer.json).validate()


def test_every_endpoint_is_described(website: Website) -> None:
    rules = {
        (re.sub(r"<uuid:request_id>", "{id}", rule.rule), method.lower())
        for rule in website.app.url_map.iter_rules()
        for method in rule.methods or ()
        if rule.endpoint.startswith("api.") and method not in ("HEAD", "OPTIONS")
    }
    described = {
        (path, method)
        for path, item in DOCUMENT["paths"].items()
        for method in item
        if method != "parameters"
    }
    assert rules == described
    assert len([name for name in ENDPOINTS if name.startswith("api.")]) == len(rules)


def test_a_schema_names_every_member_and_no_other() -> None:
    for wrong in ({"id": "x"}, {"issuers": [], "more": 1}):
        for name in ("Request", "AuthorityList"):
            with pytest.raises(ValidationError):
                validate(wrong, {"$ref": f"#/components/schemas/{name}"})
    assert SCHEMAS["State"]["enum"] == [state.value for state in State]


def test_every_answer_of_a_session_is_as_described(
    website: Website, seen: Seen, session: Checked
) -> None:
    pem, post = factories.openssl_csr(), {"content_type": "application/x-pem-file"}
    address = "/api/v1/requests"
    good: dict[str, Any] = {"json": {"csr": pem.decode(), "profile": "server", "comment": "x"}}

    session("GET", "/api/v1/openapi.json")
    session("GET", "/api/v1/ca")
    session("GET", "/api/v1/audit/checkpoints")
    website.checkpoint(1)
    website.checkpoint(2, extends=1)
    session("GET", "/api/v1/audit/checkpoints?limit=1")
    session("GET", "/api/v1/audit/checkpoints?limit=x")
    session("GET", "/api/v1/ca.pem")  # 503: not known yet
    first = session("POST", address, **good, headers={"Idempotency-Key": "k"}).json
    session("POST", f"{address}?profile=server", data=pem, **post)
    session("POST", f"{address}?profile=x", data=pem, **post)
    session("POST", address, data=b"{", content_type="application/json")
    session("POST", address, data=pem, headers={"Idempotency-Key": "k"}, **post)
    session("POST", address, data=b"x" * 70_000, **post)
    session("POST", address, data=pem, content_type="text/plain")
    session("POST", address, **good, headers={"Authorization": "Bearer no"})
    batches = "/api/v1/batches"
    batch: dict[str, Any] = {"json": {"requests": [good["json"], {"csr": "x", "profile": "x"}]}}
    session("POST", batches, **batch)
    session("POST", batches, json={"requests": []})
    session("POST", batches, data=b"x" * 5_000_000, content_type="application/json")
    session("POST", batches, data=pem, **post)
    session("POST", batches, **batch, headers={"Authorization": "Bearer no"})
    session("GET", address)
    session("GET", first["url"])
    session("GET", first["url"], headers={"Prefer": "wait=0"})
    session("GET", first["url"], headers={"Authorization": "Bearer no"})
    session("GET", f"{first['url']}/certificate")
    session("DELETE", first["url"])
    session("DELETE", first["url"], headers={"Authorization": "Bearer no"})
    website.issue(first["id"])
    session("GET", first["url"])
    session("DELETE", first["url"])
    certificate = f"{first['url']}/certificate"
    for accept in ("*/*", "application/pkix-cert", "application/pkcs7-mime", "image/png"):
        session("GET", certificate, headers={"Accept": accept})
    session("GET", certificate, headers={"Authorization": "Bearer no"})
    nobodys = "/api/v1/requests/01890000-0000-7000-8000-000000000000"
    session("GET", nobodys)
    session("DELETE", nobodys)
    for ca in ("/api/v1/ca", "/api/v1/ca.pem", "/api/v1/audit/checkpoints"):
        session("GET", ca)
        session("GET", ca, headers={"Authorization": "Bearer no"})

    known = Checked(website.client(website.token("me")), seen)
    for _ in range(3):
        known("POST", address, **good)
    page = known("GET", f"{address}?limit=2&state=submitted").json
    known("GET", page["next"])
    known("GET", f"{address}?limit=no")

    website.break_database()
    for method, path in (("GET", address), ("GET", nobodys), ("DELETE", nobodys)):
        known(method, path)
    known("POST", address, **good)
    known("POST", batches, **batch)
    known("GET", f"{nobodys}/certificate")
    known("GET", "/api/v1/ca")
    known("GET", "/api/v1/audit/checkpoints")

    described = {
        (method.upper(), path, int(status))
        for path, item in DOCUMENT["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
        for status in operation["responses"]
        if status not in ("429", "500")  # see test_limits, test_problems
    }
    assert described == seen
