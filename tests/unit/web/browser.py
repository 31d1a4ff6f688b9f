"""What a person does with pages: fill forms, follow what they find."""

from html import unescape
from typing import Any

import html5lib
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

HTML = "{http://www.w3.org/1999/xhtml}"


def parse(answer: TestResponse) -> Any:
    """Return the page's tree; a page that is not well-formed is an error."""
    assert answer.mimetype == "text/html"
    return html5lib.HTMLParser(strict=True).parse(answer.data.decode("utf-8"))


def hidden(answer: TestResponse) -> dict[str, str]:
    """Return the hidden fields of the forms in the page's main part."""
    main = parse(answer).find(f".//{HTML}main")
    return {
        field.get("name"): field.get("value")
        for field in main.iter(f"{HTML}input")
        if field.get("type") == "hidden"
    }


def csrf_token(client: FlaskClient, address: str = "/sign-in") -> str:
    """Return the value that protects forms, from a page that has one."""
    return hidden(client.get(address))["csrf_token"]


def error_note(answer: TestResponse) -> str:
    """Return the sentence that the form shows."""
    note = parse(answer).find(f".//{HTML}div[@id='error']/{HTML}p")
    strong = note.find(f"{HTML}strong")
    return unescape((strong.tail or "").strip())


def review(client: FlaskClient, csr: Any = "", **fields: Any) -> TestResponse:
    """Fill the form and press its button."""
    values = {"csr": csr, "profile": "server", "comment": "", **fields}
    values["csrf_token"] = csrf_token(client)
    return client.post("/review", data=values, content_type="multipart/form-data")


def sign_in(client: FlaskClient, token: str, **fields: str) -> TestResponse:
    """Sign in."""
    values = {"token": token, "csrf_token": csrf_token(client), **fields}
    return client.post("/sign-in", data=values)
