"""What somebody sent stands in pages as text, never as markup; nor does it reach headers."""

from io import BytesIO
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from pipeline.states import State
from pipeline.web import tables
from pipeline.web.form import pem_of
from tests import factories
from tests.unit.web.browser import HTML, csrf_token, parse, review, sign_in
from tests.website import Website

CORPUS = {
    "a script": "<script>alert(1)</script>",
    "out of an attribute": '"><script>alert(1)</script>',
    "out of a quoted attribute": "'><img src=x onerror=alert(1)>",
    "an event": '" onmouseover="alert(1)" x="',
    "out of a text area": "</textarea><script>alert(1)</script>",
    "out of the title": "</title><script>alert(1)</script>",
    "out of a list": "</li></ul><iframe src=//evil.example></iframe>",
    "a style": "</dd><style>*{display:none}</style>",
    "a base": '<base href="//evil.example/">',
    "a form": '<form action="//evil.example"><button>ok</button></form>',
    "a refresh": '<meta http-equiv="refresh" content="0;url=//evil.example">',
    "vectors": "<svg/onload=alert(1)>",
    "entities": "&lt;script&gt;alert(1)&lt;/script&gt;",
    "a template": "{{ 7 * 191 }}{% for x in 1 %}",
    "a format": "%(name)s %s %d {0} {name}",
    "a comment": "<!-- --><!--><script>alert(1)</script>",
    "character data": "<![CDATA[<script>alert(1)</script>]]>",
    "right to left": "\u202egpj.exe",
    "lines": "a\nSet-Cookie: evil=1",
}

KNOWN_TAGS = {
    "html",
    "head",
    "meta",
    "title",
    "link",
    "body",
    "a",
    "header",
    "div",
    "img",
    "nav",
    "ul",
    "ol",
    "li",
    "main",
    "h1",
    "h2",
    "p",
    "section",
    "span",
    "footer",
    "form",
    "input",
    "button",
    "label",
    "textarea",
    "select",
    "option",
    "details",
    "summary",
    "pre",
    "code",
    "br",
    "strong",
    "dl",
    "dt",
    "dd",
    "time",
}


@pytest.fixture(params=list(CORPUS.values()), ids=list(CORPUS))
def evil(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def harmless(answer: Any) -> Any:
    """Fail when a page has an element, an attribute or a target that our templates do not have."""
    page = parse(answer)
    for element in page.iter():
        if not isinstance(element.tag, str):
            raise AssertionError("a page has a comment")
        tag = element.tag.removeprefix(HTML)
        assert tag in KNOWN_TAGS, tag
        for name, value in element.attrib.items():
            assert not name.startswith("on")
            assert name not in ("style", "srcdoc")
            if name in ("href", "src", "action", "formaction"):
                assert value.startswith(("/", "#")), value
                assert not value.startswith("//"), value
    assert "1337" not in answer.text
    return page


def text(page: Any) -> str:
    return "".join(page.itertext())


def test_subjects_and_comments_are_shown_as_text(website: Website, evil: str) -> None:
    subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, evil[:60])]
    csr = factories.csr(subject=subject)
    comment = evil.replace("\n", " ")
    request_id = website.submit(csr=csr, comment=comment)
    client = website.client()
    shown = harmless(client.get(f"/requests/{request_id}"))
    assert comment in text(shown)
    assert comment == client.get(f"/api/v1/requests/{request_id}").json["comment"]
    reviewed = review(client, pem_of(csr), comment=comment)
    assert comment in text(harmless(reviewed))


def test_names_are_refused_or_shown_as_text(website: Website, evil: str) -> None:
    printable = evil.encode("ascii", "replace").decode()
    csr = factories.csr(names=[x509.DNSName(printable)], common_name=evil[:60])
    client = website.client()
    answer = review(client, pem_of(csr))
    assert answer.status_code == 422
    harmless(answer)
    api = client.post("/api/v1/requests", json={"csr": pem_of(csr), "profile": "server"})
    assert api.mimetype == "application/problem+json"


def test_what_is_pasted_comes_back_as_text(website: Website, evil: str) -> None:
    answer = review(website.client(), evil, profile=evil, comment=evil)
    assert answer.status_code in (400, 422)
    area = harmless(answer).find(f".//{HTML}textarea[@id='csr']")
    assert area.text.strip() == evil.strip()


def test_file_names_and_types_are_not_shown(website: Website, evil: str) -> None:
    client = website.client()
    name = evil.replace("\n", "").replace('"', "%22")
    fields = {"profile": "server", "file": (BytesIO(b"no CSR"), name), "comment": ""}
    fields["csrf_token"] = csrf_token(client)
    answer = client.post("/review", data=fields, content_type="multipart/form-data")
    assert answer.status_code == 400
    harmless(answer)
    assert "evil.example" not in answer.text


def test_requesters_and_reasons_are_shown_as_text(website: Website, evil: str) -> None:
    name = "".join(one for one in evil if one.isprintable())  # a token takes no other name
    request_id = website.submit(requester=name)
    website.move(request_id, State.REJECTED, reason=evil)
    with website.database.write() as connection:
        connection.execute(
            tables.submissions.update().values(profile=evil)  # only the operator names profiles
        )
    client = website.client()
    sign_in(client, website.token(name))
    harmless(client.get("/requests"))
    shown = text(harmless(client.get(f"/requests/{request_id}")))
    assert name in shown
    for line in evil.split("\n"):
        assert shown.count(line) >= 2


def test_addresses_and_methods_are_not_repeated_raw(website: Website, evil: str) -> None:
    client = website.client()
    for address in ("/", "/ca", "/sign-in", "/nothing", "/requests", f"/problems/{evil}"):
        harmless(client.get(address, query_string={"next": evil, "cursor": evil, "x": evil}))
    harmless(client.get(f"/{evil}"))
    api = client.get(
        "/api/v1/requests", query_string={"state": evil, "cursor": evil, "limit": evil}
    )
    assert api.mimetype == "application/problem+json"
    typed = client.post(
        "/api/v1/requests", data=b"x", headers={"Content-Type": evil.partition("\n")[0]}
    )
    assert (typed.status_code, typed.mimetype) == (415, "application/problem+json")


HOSTS = {
    "another": ("evil.example", True),
    "another port": ("evil.example:81", True),
    "markup": ('"><script>', False),
    "a space": ("ev il.example", False),
    "too long": ("x" * 300, False),
    "no address": ("[evil]", False),
    "bytes": ("ev\u00fcl.example", False),
    "a path": ("evil.example/path", False),
    "a user": ("user@evil.example", False),
}


@pytest.mark.parametrize(("host", "answered"), HOSTS.values(), ids=HOSTS.keys())
def test_the_host_header_is_never_repeated(website: Website, host: str, answered: bool) -> None:
    request_id = website.submit()
    for address in (
        "/",
        "/ca",
        "/sign-in",
        "/language/de",
        f"/requests/{request_id}",
        "/nothing",
        f"/api/v1/requests/{request_id}",
        "/api/v1/nothing",
        "/api//v1/ca",
        f"/requests//{request_id}",
        "/api/v1/openapi.json",
    ):
        answer = website.client().get(address, headers={"Host": host})
        assert answer.status_code in ((200, 303, 404) if answered else (400,)), address
        assert host not in answer.text
        assert host not in str(answer.headers)


def test_hosts_of_all_forms_are_answered(website: Website) -> None:
    for host in ("localhost", "127.0.0.1:8000", "[::1]:8000", "ca.example.test.", "xn--4ca.test"):
        assert website.client().get("/healthz", headers={"Host": host}).status_code == 200
