"""The vector file of names: canonical forms, patterns, and what profiles allow."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from pipeline.crypto import check, names
from pipeline.crypto.patterns import ALLOWED, Pattern
from pipeline.crypto.visible import visible
from pipeline.errors import Refused
from tests.factories import profile, read_csr

VECTORS = tomllib.loads((Path(__file__).parent / "vectors" / "names.toml").read_text("utf-8"))
REPEATED = re.compile(r"\{(\d+)(.)\}")


def text_of(case: dict[str, Any], key: str = "text") -> str:
    return REPEATED.sub(lambda found: found[2] * int(found[1]), case[key])


def cases(section: str) -> pytest.MarkDecorator:
    shown = [f"{case.get('kind', '')} {case['shows']}" for case in VECTORS[section]]
    return pytest.mark.parametrize("case", VECTORS[section], ids=shown)


@pytest.mark.vectors("names")
@cases("canonical")
def test_a_name_has_one_canonical_form(case: dict[str, Any]) -> None:
    expected = text_of(case, "value")
    assert names.canonical(case["kind"], text_of(case)).value == expected
    assert names.canonical(case["kind"], expected).value == expected


@pytest.mark.vectors("names")
@cases("refused")
def test_what_is_no_name_is_refused_with_the_reason(case: dict[str, Any]) -> None:
    with pytest.raises(Refused) as caught:
        names.canonical(case["kind"], text_of(case))
    sentence = str(caught.value)
    assert caught.value.slug == "invalid-name"
    assert case["why"] in sentence
    assert visible(sentence) == sentence
    assert len(sentence) < 400


@pytest.mark.vectors("names")
@cases("patterns")
def test_a_pattern_covers_what_the_vector_says(case: dict[str, Any]) -> None:
    name = names.canonical(case["kind"], case["name"])
    assert name.value == case["name"]
    pattern = Pattern.parse(case["pattern"])
    assert pattern.matches(name) == case["covers"]
    assert Pattern.parse(pattern.text) == pattern  # its text is canonical


@pytest.mark.vectors("names")
@cases("not_patterns")
def test_what_is_no_pattern_is_refused_with_what_is_allowed(case: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is not a pattern") as caught:
        Pattern.parse(case["text"])
    assert ALLOWED in str(caught.value)


@pytest.mark.vectors("names")
@cases("profiles")
def test_a_profile_allows_a_csr_what_the_vector_says(case: dict[str, Any]) -> None:
    found = read_csr(*case["names"])
    if not case["slug"]:
        check.check(found, profile(**case["profile"]))
        return
    with pytest.raises(Refused) as caught:
        check.check(found, profile(**case["profile"]))
    assert caught.value.slug == case["slug"]


def test_there_are_a_hundred_and_fifty_vectors_at_least_and_none_comes_twice() -> None:
    rows = [
        (section, tuple((key, str(value)) for key, value in case.items() if key != "shows"))
        for section, listed in VECTORS.items()
        for case in listed
    ]
    assert len(rows) >= 150
    assert len(set(rows)) == len(rows)
    assert all(case["shows"] for listed in VECTORS.values() for case in listed)
