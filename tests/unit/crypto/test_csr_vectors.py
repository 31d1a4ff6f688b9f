"""The vector file of CSRs and their keys: what is read, and what is refused for which reason."""

import base64
import tomllib
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from pipeline.crypto import csr as csrs
from pipeline.crypto import key_lists
from pipeline.crypto.check import check
from pipeline.errors import RequesterError
from tests import factories

VECTORS = tomllib.loads((Path(__file__).parent / "vectors" / "csrs.toml").read_text("utf-8"))
USUAL = ["ec:P-256", "ec:P-384", "ec:P-521", "ed25519", "rsa:2048-16384"]


@pytest.mark.vectors("keys and CSRs")
@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["shows"])
def test_a_csr_is_read_or_refused_as_the_vector_says(case: dict[str, Any]) -> None:
    octets = base64.b64decode(case["csr"])
    profile = factories.profile(
        keys=case.get("keys", USUAL), key_usage=case.get("key_usage", ["digital_signature"])
    )
    if "kind" in case:
        found = csrs.read(octets)
        check(found, profile)
        assert found.key.kind == case["kind"]
        assert x509.load_der_x509_csr(octets).public_key() == found.public_key
        return
    with pytest.raises(RequesterError) as caught:
        check(csrs.read(octets), profile)
    assert caught.value.slug == case["refused"]
    assert case["why"] in str(caught.value)


@pytest.mark.vectors("keys and CSRs")
@pytest.mark.parametrize("case", VECTORS["listed"], ids=lambda case: case["shows"])
def test_a_key_stands_in_lists_by_the_names_of_the_vector(case: dict[str, Any]) -> None:
    found = csrs.read(base64.b64decode(case["csr"]))
    assert list(key_lists.names(found.public_key, found.key.fingerprint)) == case["names"]
    assert key_lists.fingerprint(found.public_key) == found.key.fingerprint


@pytest.mark.vectors("keys and CSRs")
@pytest.mark.parametrize("case", VECTORS["lists"], ids=lambda case: case["shows"])
def test_a_list_of_keys_is_read_or_refused_as_the_vector_says(case: dict[str, Any]) -> None:
    if "names" in case:
        assert key_lists.read(case["list"].splitlines()) == case["names"]
        return
    with pytest.raises(key_lists.NotAList, match=case["why"]):
        key_lists.read(case["list"].splitlines())


def test_there_are_sixty_vectors_at_least_and_each_shows_something_else() -> None:
    shown = [case["shows"] for cases in VECTORS.values() for case in cases]
    assert len(shown) >= 60
    assert len(set(shown)) == len(shown)
