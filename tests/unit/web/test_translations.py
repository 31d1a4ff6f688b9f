"""Everything that a page shows is in the catalogues, and the German one is complete."""

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import polib
import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo

from pipeline.states import State
from pipeline.web import locales
from pipeline.web.known_problems import PROBLEMS
from tests import factories
from tests.unit.web.browser import HTML, hidden, parse, review, sign_in
from tests.website import Website

ROOT = Path(__file__).parents[3]
GERMAN = locales.DIRECTORY / "de" / "LC_MESSAGES" / "messages.po"
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]")


def messages() -> set[tuple[str, ...]]:
    """Return every message in the source, with its plural if it has one."""
    with (ROOT / "babel.cfg").open() as reading:
        methods, options = parse_mapping_cfg(reading)  # type: ignore[no-untyped-call]
    found = extract_from_dir(ROOT, methods, options, {**DEFAULT_KEYWORDS, "N_": None})
    return {
        message if isinstance(message, tuple) else (message,)
        for _file, _line, message, _comments, _context in found
    }


def test_the_german_catalogue_is_complete_and_has_nothing_else() -> None:
    entries = polib.pofile(str(GERMAN))
    known = {
        (entry.msgid, entry.msgid_plural) if entry.msgid_plural else (entry.msgid,)
        for entry in entries
    }
    assert known == messages()
    assert [entry.msgid for entry in entries if not entry.translated() or entry.fuzzy] == []


def test_german_sentences_have_the_same_placeholders() -> None:
    for entry in polib.pofile(str(GERMAN)):
        texts = list(entry.msgstr_plural.values()) or [entry.msgstr]
        for text in texts[-1:]:
            wanted = PLACEHOLDER.findall(entry.msgid_plural or entry.msgid)
            assert sorted(set(PLACEHOLDER.findall(text))) == sorted(set(wanted)), entry.msgid
            assert "“" not in re.sub("„[^„“]*“", "", text), entry.msgid


def test_the_browser_or_the_requester_chooses_the_language(website: Website) -> None:
    client = website.client()
    german = client.get("/", headers={"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"})
    assert parse(german).get("lang") == "de"
    assert "Ein Zertifikat beantragen" in german.text
    assert parse(client.get("/", headers={"Accept-Language": "fr"})).get("lang") == "en"
    answer = client.get("/language/de?next=/ca")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/ca")
    assert "CA-Zertifikate" in client.get("/ca").text
    assert client.get("/language/xx").status_code == 404
    api = client.get("/api/v1/nothing", headers={"Accept-Language": "en"})
    assert api.headers["Content-Language"] == "en"


def test_thousands_of_languages_are_none(website: Website) -> None:
    """They are read for every answer in words, in the thread that serves everybody as well."""
    asked = "de, " + "ab, " * 8000
    answer = website.client().get("/api/v1/nothing", headers={"Accept-Language": asked})
    assert answer.headers["Content-Language"] == "en"


@pytest.fixture
def pseudo(tmp_path: Path) -> Iterator[Website]:
    """A website whose only other language marks every message of the catalogue."""
    catalogue = Catalog(locale="eo")
    for message in messages():
        marked = tuple(f"⟦{text}⟧" for text in message)
        if len(message) == 1:
            catalogue.add(message[0], marked[0])
        else:
            catalogue.add(message, marked)
    compiled = tmp_path / "translations" / "eo" / "LC_MESSAGES" / "messages.mo"
    compiled.parent.mkdir(parents=True)
    with compiled.open("wb") as writing:
        write_mo(writing, catalogue)
    made = Website(tmp_path, translations=tmp_path / "translations")
    yield made
    made.close()


MARKED = re.compile(r"⟦[^⟦⟧]*(?:⟦[^⟦⟧]*⟧[^⟦⟧]*)*⟧")
SHOWN_ATTRIBUTES = ("alt", "aria-label", "title", "value", "label", "placeholder")


def unmarked(answer: Any) -> list[str]:
    """Return the visible texts of a page that are in no catalogue and not declared as data."""
    found: list[str] = []
    for element, data in _walk(parse(answer), data=False):
        if data or not isinstance(element.tag, str):
            continue
        texts = [element.text, *(child.tail for child in element)]
        if not (element.tag == f"{HTML}input" and element.get("type") == "hidden"):
            texts += [element.get(name) for name in SHOWN_ATTRIBUTES]
        for text in texts:
            rest = MARKED.sub("", text or "").strip()
            if rest.strip(" ,"):
                found.append(rest)
    return found


def _walk(element: Any, *, data: bool) -> Iterator[tuple[Any, bool]]:
    data = data or element.get("translate") == "no"
    yield element, data
    for child in element:
        yield from _walk(child, data=data)


def test_no_visible_text_is_outside_the_catalogues(pseudo: Website) -> None:
    client = pseudo.client()
    client.environ_base["HTTP_ACCEPT_LANGUAGE"] = "eo"
    pem = factories.openssl_csr(
        names=("DNS:xn--bcher-kva.example", "IP:192.0.2.1", "email:a@b.test", "URI:spiffe://b/c"),
        subject="/O=Example/CN=x",
        options=("-addext", "basicConstraints=CA:TRUE"),
    )
    shown: dict[str, Any] = {}

    def look(name: str, answer: Any) -> None:
        shown[name] = answer

    for address in ("/", "/ca", "/sign-in", "/requests", "/nothing", "/ca.pem"):
        look(address, client.get(address))
    pseudo.introduce()
    look("ca", client.get("/ca"))
    for slug in PROBLEMS:
        look(slug, client.get(f"/problems/{slug}"))
    look("review", review(client, pem.decode(), comment="hello"))
    look("refused", review(client, "nonsense", comment="hello"))
    look("too large", review(client, file=(BytesIO(b"x" * 300_000), "f")))
    look("expired", client.post("/review"))
    look("method", client.put("/ca"))
    look("bad token", sign_in(client, "x"))
    look("rsa", review(client, factories.openssl_csr("rsa:2048").decode()))
    for state in State:
        request_id = pseudo.submit(csr=pem, comment="hello", requester="me")
        if state is State.RELAYED:
            pseudo.relay(request_id)
        elif state is State.ISSUED:
            pseudo.issue(request_id)
        elif state is not State.SUBMITTED:
            pseudo.move(request_id, state, "A reason.")
    sign_in(client, pseudo.token("me"))
    look("list", client.get("/requests"))
    for number in range(30):
        pseudo.submit(f"DNS:h{number}.test", "DNS:b.test", "DNS:c.test", requester="me")
    look("long list", client.get("/requests"))
    links = re.findall(r'href="(/requests/[0-9a-f-]+)"', shown["list"].text)
    assert len(links) == len(State)
    pseudo.beat(broker_ok=False)
    for number, link in enumerate(links):
        look(f"request {number}", client.get(link))
        look(f"still {number}", client.get(f"{link}?refresh=off"))
    fields = hidden(shown["request 0"])
    waiting = next(link for link in links if "/withdraw" in client.get(link).text)
    client.post(f"{waiting}/withdraw", data={"csrf_token": fields["csrf_token"]})
    look("withdrawal wished", client.get(waiting))
    pseudo.break_database()
    look("no database", client.get("/requests"))

    texts = {name: unmarked(answer) for name, answer in shown.items()}
    assert {name: found for name, found in texts.items() if found} == {}
    assert all("⟦" in answer.text for name, answer in shown.items() if name != "/ca.pem")


def test_the_check_for_marked_text_finds_what_is_not_marked(website: Website) -> None:
    assert "Request a certificate" in unmarked(website.client().get("/"))
