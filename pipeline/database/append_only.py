"""Tables whose rows are never changed or removed: a trigger of the database refuses it.

Rights say the same to accounts that have few; a trigger says it to the tables' owner too, so that only
who removes the trigger first can break the rule.
"""

from typing import Any, Final

from sqlalchemy import Connection, Table, event

POSTGRESQL_FUNCTION: Final = """
CREATE OR REPLACE FUNCTION httpca_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING MESSAGE = 'rows of ' || TG_TABLE_NAME || ' are never changed or removed',
                          ERRCODE = 'insufficient_privilege';
END $$
"""
_POSTGRESQL: Final = """
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION httpca_append_only()
"""
_SQLITE: Final = """
CREATE TRIGGER {table}_append_only_{verb} BEFORE {verb} ON {table} BEGIN
    SELECT RAISE(ABORT, 'rows of {table} are never changed or removed');
END
"""


def statements(dialect: str, table: str) -> list[str]:
    """Return the SQL that makes a table append-only; ``dialect`` is postgresql or sqlite."""
    if dialect == "sqlite":
        return [_SQLITE.format(table=table, verb=verb) for verb in ("UPDATE", "DELETE")]
    return [POSTGRESQL_FUNCTION, _POSTGRESQL.format(table=table)]


def append_only(table: Table) -> Table:
    """Make a table append-only wherever it is created; return it."""

    def created(_table: Table, connection: Connection, **_options: Any) -> None:
        for statement in statements(connection.dialect.name, table.name):
            connection.exec_driver_sql(statement)

    event.listen(table, "after_create", created)
    return table
