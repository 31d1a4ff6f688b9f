"""The vector file of rules: what matches, what does not and why, and what is refused."""

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pipeline.crypto import csr as csrs
from pipeline.crypto.csr import Csr
from pipeline.signer.people import People
from pipeline.signer.rules import Asked, Rule, RuleError
from tests.factories import openssl_csr, read_csr

VECTORS = tomllib.loads((Path(__file__).parent / "vectors" / "rules.toml").read_text("utf-8"))
PEOPLE = People(groups={"build": ("ci", "deploy"), "people": ("operator",)})
WEDNESDAY = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)


def make(fields: dict[str, Any]) -> Rule:
    return msgspec.convert({"name": "r", "action": "approve"} | fields, Rule)


def csr_of(asked: dict[str, Any]) -> Csr:
    names = asked.get("names", ["DNS:www.example.test"])
    if "key" in asked:
        return csrs.read(openssl_csr(asked["key"], tuple(names)))
    return read_csr(*names)


@pytest.mark.vectors("rules")
@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["shows"])
def test_a_rule_does_what_the_vector_says(case: dict[str, Any]) -> None:
    asked = case["asked"]
    requester = None if asked.get("anonymous") else asked.get("requester", "ci")
    found = list(
        make(case["rule"]).mismatches(
            csr_of(asked),
            Asked(
                asked.get("profile", "server"),
                requester,
                asked.get("source", "api"),
                asked.get("at", WEDNESDAY),
                PEOPLE.groups_of(requester),
            ),
        )
    )
    if case["matches"]:
        assert found == []
    else:
        (why,) = found
        assert case["why"] in why


@pytest.mark.vectors("rules")
@pytest.mark.parametrize("case", VECTORS["refused"], ids=lambda case: case["shows"])
def test_a_rule_that_says_nothing_sensible_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        make(case["rule"])
    cause = caught.value.__cause__
    assert isinstance(cause, RuleError)
    assert cause.key == case["key"]
    assert case["why"] in cause.problem


def test_there_are_eighty_vectors_at_least_and_each_shows_something_else() -> None:
    shown = [case["shows"] for cases in VECTORS.values() for case in cases]
    assert len(shown) >= 80
    assert len(set(shown)) == len(shown)
