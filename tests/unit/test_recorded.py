"""The form of messages stands: what was recorded is read, and written again exactly so.

When one of these fails, the form of messages has changed. CONTRIBUTING.md says how that is done.
"""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from pipeline.messages import CARRIES, READABLE_VERSIONS, VERSION, Body
from tests.recorded import (
    CURRENT,
    EXAMPLES,
    FOLDER,
    MESSAGE_ID,
    NOW,
    envelope,
    queue_of,
    schema,
    seal,
)

RECORDED = [
    (version, file)
    for version in sorted(READABLE_VERSIONS)
    for file in sorted((FOLDER / f"v{version}").glob("*.jws"))
]


@pytest.mark.parametrize(("version", "file"), RECORDED, ids=lambda one: getattr(one, "stem", None))
def test_every_recorded_message_that_we_say_we_read_is_read(version: int, file: Any) -> None:
    octets = file.read_bytes().strip()
    received = envelope(file.stem).open(octets, queue_of(file.stem))
    assert (received.id, received.sent_at) == (MESSAGE_ID, NOW)
    assert isinstance(received.body, CARRIES[queue_of(file.stem)])
    if version == VERSION:
        assert received.body == EXAMPLES[file.stem]


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_we_write_is_exactly_what_was_recorded(name: str) -> None:
    assert seal(name) == (CURRENT / f"{name}.jws").read_bytes().strip()


def test_the_members_of_every_body_are_those_that_were_recorded() -> None:
    assert json.loads((CURRENT / "schema.json").read_text()) == json.loads(json.dumps(schema()))


def test_nothing_else_is_recorded() -> None:
    assert {file.stem for file in CURRENT.glob("*.jws")} == set(EXAMPLES)


def test_every_version_that_we_read_is_recorded_for_every_stage() -> None:
    for version in READABLE_VERSIONS:
        recorded = {queue_of(file.stem) for one, file in RECORDED if one == version}
        assert recorded == set(CARRIES)


def bodies(found: Any) -> Iterator[Body]:
    if isinstance(found, Body):
        yield found
        for name in found.__struct_fields__:
            yield from bodies(getattr(found, name))
    elif isinstance(found, list | tuple):
        for one in found:
            yield from bodies(one)


def test_the_examples_use_every_member_of_every_body() -> None:
    used: dict[type[Body], set[str]] = {}
    for example in EXAMPLES.values():
        for body in bodies(example):
            said = msgspec.to_builtins(body)
            used.setdefault(type(body), set()).update(said)
    unused = {
        f"{kind.__name__}.{name}"
        for kind, names in used.items()
        for name in set(kind.__struct_fields__) - names
    }
    assert unused == set()
