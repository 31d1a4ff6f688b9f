"""Many rows into a table by one statement, on both databases."""

import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select
from sqlalchemy.exc import DBAPIError

from pipeline.database.arrays import FEW
from pipeline.database.engine import Database, open_database
from pipeline.database.sets import insert_all, insert_new, insert_rows
from pipeline.database.values import MOST
from tests.flow.things import NOON, notes, parts, statements, table, thing
from tests.servers import PostgreSQL

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
ROW = st.fixed_dictionaries(
    {
        "colour": st.sampled_from([None, "red", '"', "\\", "NULL", ""]) | TEXT,
        "octets": st.sampled_from([None, b"", b"\0\\"]) | st.binary(max_size=9),
        "at": st.sampled_from([None, NOON, NOON.replace(year=1950)]),
        "details": st.sampled_from([None, {}, {"a": '"\\{},'}, [True, 1, 1.5]]),
    }
)


def part(of: dict[str, Any], octets: str) -> dict[str, Any]:
    return {"of": of["id"], "octets": octets.encode()}


def rows_of(database: Database) -> dict[str, Any]:
    with database.read() as connection:
        return {row.name: row for row in connection.execute(select(table))}


def test_what_is_inserted_is_read_back_as_it_was(things: Database) -> None:
    odd = thing("ü\"'\\{},", details=None, octets=None, at=None, number=7)
    plain = thing("plain")
    with things.write() as connection:
        insert_rows(connection, table, [plain, odd])
    found = rows_of(things)
    assert found["plain"]._asdict() == plain | {"left_out": "so"}
    assert found["ü\"'\\{},"]._asdict() == odd | {"left_out": "so"}


def test_nothing_is_inserted_for_nothing(things: Database) -> None:
    with things.write() as connection:
        insert_rows(connection, table, [])
        assert insert_new(connection, table, [], table.c.id) == set()
    assert rows_of(things) == {}


@given(st.lists(ROW, min_size=1, max_size=3 * FEW))
@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_whatever_rows_have_in_common_they_are_read_back_as_they_were(
    things: Database, rows: list[dict[str, Any]]
) -> None:
    whole = [thing(str(number), **row) for number, row in enumerate(rows)]
    with things.write() as connection:
        connection.execute(delete(table))
        insert_rows(connection, table, whole)
    found = rows_of(things)
    for one in whole:
        assert found[one["name"]]._asdict() == one | {"left_out": "so"}


def test_many_rows_may_be_the_same(things: Database) -> None:
    one = {"note": "again", "details": None}
    with things.write() as connection:
        insert_rows(connection, notes, [one] * FEW)
    with things.read() as connection:
        assert connection.execute(select(notes)).all() == [("again", None)] * FEW


def test_what_only_looks_equal_is_not_the_same(things: Database) -> None:
    rows = [{"note": "again", "details": {"a": one}} for one in [1, True] * FEW]
    with things.write() as connection:
        insert_rows(connection, notes, rows)
    with things.read() as connection:
        found = connection.scalars(select(notes.c.details)).all()
    assert [repr(one["a"]) for one in found] == ["1", "True"] * FEW


def test_what_is_the_same_in_many_rows_is_sent_once(postgresql: PostgreSQL) -> None:
    database = open_database(postgresql.create_database(f"things_{uuid.uuid4().hex}"))
    table.metadata.create_all(database.engine)
    with database.write() as connection:
        seen = statements(connection)
        insert_rows(connection, table, [thing(str(n), colour="green") for n in range(FEW)])
    ((_, values),) = seen
    assert "green" in values.values()
    assert sum(str(value).count("green") for value in values.values()) == 1
    database.dispose()


def test_a_time_without_its_zone_is_refused(things: Database) -> None:
    naive = NOON.replace(tzinfo=None)
    with pytest.raises(ValueError, match="times are aware"), things.write() as connection:
        insert_rows(connection, table, [thing("one", at=naive), thing("two")])
    assert rows_of(things) == {}


def test_a_text_with_a_null_character_is_refused_and_not_taken_for_two(things: Database) -> None:
    if things.dialect == "sqlite":  # which stores it
        return
    with pytest.raises(DBAPIError), things.write() as connection:
        insert_rows(connection, table, [thing("a\0b"), thing("c")])
    assert rows_of(things) == {}


def test_only_what_is_new_is_inserted_and_told(things: Database) -> None:
    old, new = thing("old"), thing("new")
    with things.write() as connection:
        insert_rows(connection, table, [old])
        again = old | {"name": "again"}
        assert insert_new(connection, table, [again, new], table.c.id) == {new["id"]}
    assert set(rows_of(things)) == {"old", "new"}


def test_of_several_new_rows_with_one_key_the_first_is_inserted(things: Database) -> None:
    new = thing("first")
    with things.write() as connection:
        rows = [new, new | {"name": "second"}]
        assert insert_new(connection, table, rows, table.c.id) == {new["id"]}
    assert set(rows_of(things)) == {"first"}


def test_rows_of_one_table_are_inserted_by_one_statement(things: Database) -> None:
    with things.write() as connection:
        seen = statements(connection)
        insert_rows(connection, table, [thing(str(number)) for number in range(200)])
    assert len(seen) == 1
    assert len(rows_of(things)) == 200


def test_there_may_be_more_rows_than_one_statement_takes(things: Database) -> None:
    count = 2 * MOST // len(table.columns)
    with things.write() as connection:
        insert_rows(connection, table, [thing(str(number)) for number in range(count + 1)])
    assert len(rows_of(things)) == count + 1


def test_what_belongs_to_a_row_is_inserted_with_it_or_not_at_all(things: Database) -> None:
    old, new, other = thing("old"), thing("new"), thing("other")
    with things.write() as connection:
        insert_rows(connection, table, [old])
        own = [part(new, "1"), part(old, "2"), part(new, "3"), part(other, "4")]
        rows = [old, new, other]
        inserted = insert_new(connection, table, rows, table.c.id, {parts.c.of: own})
        assert inserted == {new["id"], other["id"]}
    with things.read() as connection:
        found = connection.execute(
            select(parts.c.of, parts.c.octets).order_by(parts.c.number)
        ).all()
    assert found == [(new["id"], b"1"), (new["id"], b"3"), (other["id"], b"4")]


def test_what_belongs_to_many_rows_is_not_compared_with_each(postgresql: PostgreSQL) -> None:
    database = open_database(postgresql.create_database(f"things_{uuid.uuid4().hex}"), by_keys=True)
    table.metadata.create_all(database.engine)
    new = thing("new")
    with database.write() as connection:
        seen = statements(connection)
        insert_new(connection, table, [new], table.c.id, {parts.c.of: [part(new, "1")]})
        ((statement, values),) = seen
        plan = connection.exec_driver_sql(f"EXPLAIN {statement}", values).scalars().all()
    assert any("hashed SubPlan" in line for line in plan)
    database.dispose()


def test_a_row_that_breaks_another_rule_than_the_key_is_not_passed_over(things: Database) -> None:
    with pytest.raises(DBAPIError), things.write() as connection:
        insert_new(connection, table, [thing("one", number=1), thing("two", number=1)], table.c.id)
    assert rows_of(things) == {}


def test_a_text_that_is_too_long_is_not_cut(things: Database) -> None:
    if things.dialect == "sqlite":  # which has no lengths
        return
    with pytest.raises(DBAPIError), things.write() as connection:
        insert_rows(connection, table, [thing("123456789")])


def test_rows_of_several_tables_are_inserted_together_or_not_at_all(things: Database) -> None:
    one, two, three = thing("one"), thing("two", number=1), thing("three", number=1)
    with things.write() as connection:
        insert_all(connection, [(table, [one]), (table, []), (table, [two])])
    with pytest.raises(DBAPIError), things.write() as connection:
        insert_all(connection, [(table, [thing("four")]), (table, [three])])

    assert set(rows_of(things)) == {"one", "two"}
