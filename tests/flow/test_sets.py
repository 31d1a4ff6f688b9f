"""Rows found among many ids by one statement, and by their keys, on both databases."""

import uuid
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.sql.elements import CompilerElement

from pipeline.database.engine import Database, open_database
from pipeline.database.sets import among, among_given, insert_rows, still
from tests.flow.things import statements, table, thing
from tests.servers import PostgreSQL


def test_rows_among_ids_and_among_texts_are_found(things: Database) -> None:
    odd = ("c,'\"{}", "\\", '\\"', "null", " ", "ü\n")
    some = [thing(name) for name in ("a", "b", *odd)]
    ids = [one["id"] for one in some]
    given = select(table.c.name).where(among_given(table.c.name, "names"))
    with things.write() as connection:
        insert_rows(connection, table, some)
    with things.read() as connection:

        def names(condition: Any) -> set[str]:
            return set(connection.scalars(select(table.c.name).where(condition)))

        assert names(among(table.c.id, [ids[0], ids[2], str(uuid.uuid4())])) == {"a", odd[0]}
        for one in odd:
            assert names(among(table.c.name, [one, "d"])) == {one}
            assert set(connection.scalars(given, {"names": [one]})) == {one}
        assert names(among(table.c.name, odd)) == set(odd)
        assert set(connection.scalars(given, {"names": ["a", "b", "d"]})) == {"a", "b"}
        assert names(among(table.c.id, [])) == set()
        assert names(still(table.c.name, "b")) == {"b"}
        assert names(still(table.c.number, None)) == {"a", "b", *odd}


def test_the_text_of_a_statement_does_not_depend_on_how_many_there_are(things: Database) -> None:
    def text(statement: CompilerElement) -> str:
        return str(statement.compile(dialect=things.engine.dialect))

    one, many = (select(table).where(among(table.c.id, [str(uuid.uuid4())] * n)) for n in (1, 9))
    assert text(one) == text(many)


def test_rows_are_found_by_key_and_what_the_url_asks_of_the_server_stays(
    postgresql: PostgreSQL,
) -> None:
    url = postgresql.create_database(f"things_{uuid.uuid4().hex}")
    by_keys = open_database(f"{url}?options=-csearch_path%3Dca", by_keys=True)
    plain = open_database(url)
    with by_keys.read() as connection, plain.read() as other:

        def shown(of: Connection, name: str) -> str:
            return str(of.exec_driver_sql(f"SHOW {name}").scalar_one())

        for name in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin"):
            assert (shown(connection, name), shown(other, name)) == ("off", "on")
        assert shown(connection, "plan_cache_mode") == "force_generic_plan"
        assert (shown(connection, "jit"), shown(other, "jit")) == ("off", "on")
        assert shown(connection, "search_path") == "ca"
    by_keys.dispose()
    plain.dispose()


def test_rows_among_ids_are_found_by_the_index(things: Database) -> None:
    explain = "EXPLAIN QUERY PLAN" if things.dialect == "sqlite" else "EXPLAIN"
    with things.read() as connection:
        seen = statements(connection)
        connection.execute(select(table.c.name).where(among(table.c.id, [str(uuid.uuid4())])))
        statement, values = seen[-1]
        rows = connection.exec_driver_sql(f"{explain} {statement}", values).all()
    plan = "\n".join(str(row) for row in rows)
    assert "USING INDEX" in plan or "Index Cond" in plan
    assert "SCAN things" not in plan


def test_a_state_that_many_rows_have_is_compared_without_an_index_of_states(
    postgresql: PostgreSQL,
) -> None:
    database = open_database(postgresql.create_database(f"things_{uuid.uuid4().hex}"), by_keys=True)
    table.metadata.create_all(database.engine)
    with database.write() as connection:
        connection.exec_driver_sql("CREATE INDEX ix_things_colour ON things (colour)")
        dialect = database.engine.dialect

        def plan(condition: Any) -> str:
            found = select(table.c.id).where(condition)
            literal = found.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
            rows = connection.exec_driver_sql(f"EXPLAIN {literal}", literal.params)
            return "\n".join(row[0] for row in rows)

        assert "ix_things_colour" in plan(table.c.colour == "red")
        assert "ix_things_colour" not in plan(still(table.c.colour, "red"))
    database.dispose()
