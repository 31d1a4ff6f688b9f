"""What the form says that it understood of a CSR."""

from dataclasses import replace

import msgspec
from werkzeug.test import TestResponse

from pipeline.web.site import KEY
from tests import factories
from tests.unit.web.browser import parse, review
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
