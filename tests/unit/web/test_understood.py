"""What the form says that it understood of a CSR."""

from dataclasses import replace

import msgspec
import pytest
from cryptography import x509
from werkzeug.test import TestResponse

from pipeline.crypto.names import Name
from pipeline.web.intake import Intake
from pipeline.web.site import KEY
from pipeline.web.submit import Wish, submit
from tests import factories
from tests.unit.web.browser import HTML, parse, review, sign_in
from tests.website import Website


def text_of(answer: TestResponse) -> str:
    return " ".join(" ".join(parse(answer).itertext()).split())


def test_parts_of_the_subject_are_left_to_the_profile_and_new_kinds_have_a_name(
    website: Website,
) -> None:
    options = ("-addext", "keyUsage=keyCertSign")
    names = ("otherName:1.3.6.1.4.1.311.20.2.3;UTF8:User@corp.test",)
    csr = factories.openssl_csr(names=names, subject="/O=Example/CN=x", options=options)
    text = text_of(review(website.client(), csr.decode()))
    assert "user@corp.test User principal name" in text
    assert "Part of the subject, unless the profile takes it over: “O=Example”" in text
    assert "Extension “keyUsage”" in text


def test_a_subject_alone_is_read_where_the_profile_has_no_names(website: Website) -> None:
    csr = factories.openssl_csr(names=(), subject="/CN=Branch CA").decode()
    refused = text_of(review(website.client(), csr))
    assert "no subject alternative names" in refused
    settings = msgspec.structs.replace(website.settings, profiles_without_names=["server"])
    website.app.extensions[KEY] = replace(website.site, settings=settings)
    assert "Subject CN=Branch CA Key" in text_of(review(website.client(), csr))


def test_the_list_reads_out_only_the_names_that_it_shows(
    website: Website, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [x509.DNSName(f"{number}.xn--bcher-kva.example") for number in range(50)]
    for _ in range(3):
        website.submit(csr=factories.csr(names=names), requester="me")
    client = website.client()
    sign_in(client, website.token("me"))
    read_out = []
    display = Name.display

    def noted(name: Name) -> str:
        read_out.append(name)
        return display(name)

    monkeypatch.setattr(Name, "display", noted)
    text = text_of(client.get("/requests"))
    assert text.count("0.bücher.example and 49 more names") == 3
    assert len(read_out) == 3


def test_what_has_neither_name_nor_subject_is_called_by_its_id(website: Website) -> None:
    settings = msgspec.structs.replace(website.settings, profiles_without_names=["server"])
    csr = factories.csr(names=[], subject=[])
    wish = Wish(csr, "server", "api", "me")
    request_id = submit(Intake(website.database), settings, wish, lambda: website.moment).id
    client = website.client()
    sign_in(client, website.token("me"))
    (link,) = parse(client.get("/requests")).findall(f".//{HTML}main//{HTML}a")
    assert link.text == request_id
    assert parse(client.get(f"/requests/{request_id}")).find(f".//{HTML}h1").text == (
        "Certificate request"
    )
