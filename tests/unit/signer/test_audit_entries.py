"""The canonical octets of entries: RFC 8785, of every column, and the same from either database."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from pipeline.database.advance import record
from pipeline.database.engine import open_database
from pipeline.signer.audit.entries import UnreadableEntry, canonical, columns
from pipeline.signer.audit.sequencer import between, without
from pipeline.signer.tables import audit, metadata

REQUEST = "0195e3c2-7a1b-7c00-8000-000000000001"
MOMENT = "2026-03-01T12:00:00.000001Z"

scalars = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text()
members = st.dictionaries(st.text(), scalars | st.floats(allow_nan=False, allow_infinity=False))
nested = st.dictionaries(st.text(), st.recursive(scalars, st.lists) | members)


@given(members | nested)
def test_an_entry_is_written_as_rfc_8785_says(details: dict[str, Any]) -> None:
    text = msgspec.json.encode(details).decode()
    expected = rfc8785.dumps(
        {
            "at": MOMENT,
            "details": msgspec.json.decode(text),
            "event": "e",
            "id": 1,
            "request_id": REQUEST,
        }
    )
    assert canonical(1, MOMENT, "e", REQUEST, text) == expected


def test_every_column_of_an_entry_is_in_its_octets() -> None:
    one: list[Any] = [1, MOMENT, "event", REQUEST, '{"by": "sign"}']
    others: list[Any] = [2, MOMENT.replace("1Z", "2Z"), "other", None, '{"by": "operator"}']
    assert len(one) == len(audit.columns)
    found = {canonical(*one)}
    for place, other in enumerate(others):
        changed = [*one]
        changed[place] = other
        found.add(canonical(*changed))
    assert len(found) == 6


@pytest.mark.parametrize(
    "details",
    [
        "",
        "{",
        '{"a": 1, "a": 2}',
        '{"a": {"b": 1, "b": 1}}',
        '{"a": 1e400}',
        '{"a": 9007199254740993}',
        "[" * 9999,
    ],
)
def test_an_entry_without_a_canonical_form_says_which_one_it_is(details: str) -> None:
    with pytest.raises(UnreadableEntry, match="entry 7 of the audit"):
        canonical(7, MOMENT, "event", None, details)


def test_a_row_is_read_as_it_was_written(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'signer.db'}")
    metadata.create_all(database.engine)
    moment = datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC)
    with database.write() as connection:
        record(connection, audit, "event", {"b": "ü", "a": [1, None]}, moment, REQUEST)
        record(connection, audit, "event", {}, moment.replace(microsecond=0))
    with database.read() as connection:
        first, second = connection.execute(select(*columns("sqlite")).order_by(audit.c.id))
    database.dispose()
    assert canonical(*first).decode() == (
        '{"at":"2026-03-01T12:00:00.000001Z","details":{"a":[1,null],"b":"ü"},"event":"event","id":1,'
        f'"request_id":"{REQUEST}"}}'
    )
    assert second.moment == "2026-03-01T12:00:00.000000Z"
    assert second.request is None


ids = st.lists(st.integers(1, 40), unique=True).map(sorted)


@given(ids, ids)
def test_gaps_hold_exactly_what_was_passed_over(first: list[int], late: list[int]) -> None:
    gaps = between(0, first)
    passed_over = set(range(1, max(first, default=0) + 1)) - set(first)
    assert {one for low, high in gaps for one in range(low, high + 1)} == passed_over

    left = without(gaps, [one for one in late if one in passed_over])

    covered = [one for low, high in left for one in range(low, high + 1)]
    assert covered == sorted(passed_over - set(late))
    assert all(low <= high for low, high in left)
