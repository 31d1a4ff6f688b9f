"""What each account may do with a side's tables (PostgreSQL), and making it so.

``pipeline.web.grants`` and ``pipeline.signer.grants`` say it, `httpca migrate` applies it with the
account that owns the tables. What is not granted is taken away, so that the result does not depend
on what was there before.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from sqlalchemy import Connection, text

from pipeline.errors import HttpcaError

Rights = Mapping[str, Mapping[str, str]]
"""For each kind of account, what it may do with each table or view: ``SELECT, UPDATE (state)``; empty
when nothing."""

REVISION_TABLE: Final = "alembic_version"
"""Where Alembic keeps the schema's revision; every account that starts a process reads it."""


class AccountMissing(HttpcaError):
    """An account that is to be granted rights does not exist in this PostgreSQL."""


def grant(
    connection: Connection, rights: Rights, accounts: Mapping[str, str], schema: str = "public"
) -> int:
    """Give each account what ``rights`` say for its kind and nothing else, in this transaction.

    ``accounts`` has the PostgreSQL role of each kind. Returns the number of grants.

    Raises:
        AccountMissing: a role does not exist; nothing is to be committed then.
    """
    _ensure_there(connection, accounts.values())
    quote = connection.dialect.identifier_preparer.quote_identifier
    within = quote(schema)
    owners = ["PUBLIC", *(quote(account) for account in accounts.values())]
    for kind_of_object in ("TABLES", "SEQUENCES", "ROUTINES"):
        _run(
            connection,
            f"REVOKE ALL ON ALL {kind_of_object} IN SCHEMA {within} FROM {', '.join(owners)}",
        )
    count = 0
    for kind, account in accounts.items():
        for table, what in rights[kind].items():
            if not what:
                continue
            _run(connection, f"GRANT {what} ON {within}.{quote(table)} TO {quote(account)}")
            count += 1
    return count


def _ensure_there(connection: Connection, accounts: Iterable[str]) -> None:
    known = text("SELECT rolname FROM pg_roles WHERE rolname = ANY(:names)")
    wanted = list(accounts)
    found = set(connection.scalars(known, {"names": wanted}))
    missing = [name for name in wanted if name not in found]
    if missing:
        raise AccountMissing(
            f"PostgreSQL has no role {', '.join(missing)}; run `httpca grants apply` first"
        )


def _run(connection: Connection, statement: str) -> None:
    # Not by text(): a colon in a name would be taken for a parameter.
    connection.exec_driver_sql(statement.replace("%", "%%"))
