"""Tokens of SoftHSM, made for one test each."""

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipeline.signer.keys.module import module_at
from pipeline.signer.keys.uri import KeyUri
from tests.servers import SoftHsm
from tests.servers.softhsm import MODULE, PIN

Token = Callable[..., KeyUri]


@pytest.fixture
def token(softhsm: SoftHsm) -> Iterator[Token]:
    """Make tokens, and return the URI of a key in each."""
    made = []

    def make(key: str = "issuing") -> KeyUri:
        made.append(f"token {secrets.token_hex(4)}")
        softhsm.add(made[-1])
        module_at(MODULE).begin_anew()
        return KeyUri.parse(softhsm.uri(made[-1], key))

    yield make
    for label in made:
        softhsm.remove(label)
    module_at(MODULE).begin_anew()


def session_of(uri: KeyUri) -> Any:
    return module_at(uri.module).session(uri, PIN, writes=True)
