"""How PostgreSQL means to execute each statement of a while, and what is wrong with it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from pipeline.database.engine import Database
from tests.flow.filled import LARGE


@contextmanager
def plans(*databases: Database) -> Iterator[dict[str, str]]:
    """Collect the plan of every statement that is executed meanwhile."""
    found: dict[str, str] = {}

    def explain(
        connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool
    ) -> None:
        if not re.match(r"\s*(SELECT|UPDATE|DELETE|WITH)", statement):
            return
        with connection.connection.cursor() as cursor:
            one = parameters[0] if many else parameters
            cursor.execute("EXPLAIN " + statement, one)
            found[statement] = "\n".join(row[0] for row in cursor.fetchall())

    for database in databases:
        event.listen(database.engine, "before_cursor_execute", explain)
    yield found
    for database in databases:
        event.remove(database.engine, "before_cursor_execute", explain)


def crossed(found: dict[str, str]) -> dict[str, str]:
    """Return the statements of which the plan looks up every pair of two lists of ids: PostgreSQL does,
    where both are for the same column, and two hundred ids are forty thousand pairs."""
    return {
        statement: plan
        for statement, plan in found.items()
        if re.search(r"Index Cond: .*= ANY .*= ANY", plan)
    }


def scans(found: dict[str, str]) -> dict[str, str]:
    """Return the statements of which the plan reads a whole table."""
    return {
        statement: plan
        for statement, plan in found.items()
        if re.search(rf"Seq Scan on ({'|'.join(LARGE)})\b", plan)
    }
