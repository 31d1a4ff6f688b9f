"""Fills both databases in bulk: copies of one request that went through everything, made by PostgreSQL.

Each copy has an id and a time of its own, and a certificate of its own: the same DER with another
serial number. All rows are copied that name the request, so the audit's entries too, with the serial
number and the digest that they tell. The tree over them is made by `signer-clock`, as always.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import psycopg
from psycopg import sql

from benchmarks.ground import Ground
from pipeline.clock import now

CHUNK: Final = 10_000
"""Requests in one transaction."""

MILLISECONDS: Final = 6000
"""Between the times of two requests."""

LONGEST: Final = 3600.0
"""Seconds that the sequencer has; against hanging only."""

NOT_COPIED: Final = {"requests", "idempotency_keys", "audit_leaves"}

MADE: Final = """
    CREATE TEMPORARY TABLE made AS
    SELECT n, to_timestamp(ms / 1000.0) AS at, md5('grown ' || n) AS digits,
           (lpad(to_hex(ms), 12, '0') || '7' || substr(md5('id ' || n), 1, 3) || '8'
            || substr(md5('id ' || n), 4, 15))::uuid AS id
    FROM (SELECT n, %(began)s::bigint + n * %(step)s::bigint AS ms
          FROM generate_series(%(first)s::bigint, %(last)s::bigint) n) moments
"""
"""Ids are UUIDs of version 7 (RFC 9562, section 5.7), as those of the web side."""


def fill(ground: Ground, count: int, example: str) -> dict[str, float]:
    """Add so many requests, like the issued one ``example``, to both databases. Return the seconds
    that this took, and those that the sequencer took besides."""
    ((serial,),) = ground.query(
        "signer", "SELECT serial FROM certificates WHERE request_id = %s", example
    )
    oldest = int((now() - timedelta(days=80)).timestamp() * 1000)
    errors: list[BaseException] = []

    def work(side: str) -> None:
        try:
            with _connect(ground, side) as connection:
                for begin in range(0, count, CHUNK):
                    _copy(
                        connection, example, str(serial), oldest, begin, min(begin + CHUNK, count)
                    )
                connection.execute("VACUUM ANALYZE")
        except Exception as error:  # noqa: BLE001 - told to the main thread
            errors.append(error)

    began = time.monotonic()
    sides = [threading.Thread(target=work, args=(side,)) for side in ("web", "signer")]
    for thread in sides:
        thread.start()
    for thread in sides:
        thread.join()
    if errors:
        raise errors[0]
    filled = time.monotonic()
    sequenced(ground)
    with _connect(ground, "signer") as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
    return {"filled": filled - began, "sequenced": time.monotonic() - filled}


def sequenced(ground: Ground) -> None:
    """Wait until each entry of the audit has its place in the tree.

    Raises:
        TimeoutError: the sequencer does not come to an end.
    """
    deadline = time.monotonic() + LONGEST
    while ground.query(
        "signer", "SELECT 1 FROM audit HAVING count(*) > (SELECT max(size) FROM audit_head)"
    ):
        if time.monotonic() > deadline:
            raise TimeoutError("the audit's tree is not complete")
        time.sleep(0.5)


def _connect(ground: Ground, side: str) -> psycopg.Connection[tuple[Any, ...]]:
    url = ground.installation.database_urls[side].replace("postgresql+psycopg", "postgresql")
    connection = psycopg.connect(url, autocommit=True)
    # The copies' references are right as the original's are, and nobody needs them after a crash.
    connection.execute("SET session_replication_role = replica")
    connection.execute("SET synchronous_commit = off")
    return connection


def _copy(
    connection: psycopg.Connection[Any],
    example: str,
    serial: str,
    began: int,
    first: int,
    last: int,
) -> None:
    tables = _tables(connection)
    moments = {
        "began": began,
        "step": MILLISECONDS,
        "first": first,
        "last": last - 1,
    }
    with connection.transaction():
        connection.execute(MADE.encode(), moments)
        for table, columns in tables.items():
            statement = _statement(table, columns, example, serial)
            connection.execute(statement)
        connection.execute("DROP TABLE made")


def _tables(connection: psycopg.Connection[Any]) -> Mapping[str, Mapping[str, str]]:
    """Return the columns of each table that tells of requests, with their types, `requests` first."""
    rows = connection.execute(
        """SELECT c.table_name, c.column_name, c.data_type FROM information_schema.columns c
           JOIN information_schema.tables t USING (table_schema, table_name)
           WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'
           ORDER BY c.table_name, c.ordinal_position"""
    ).fetchall()
    columns: dict[str, dict[str, str]] = {}
    for table, column, kind in rows:
        columns.setdefault(table, {})[column] = kind
    others = [
        table for table, of in columns.items() if "request_id" in of and table not in NOT_COPIED
    ]
    others.sort(key=lambda table: table == "audit")  # it tells the digest of the copy's certificate
    return {table: columns[table] for table in ["requests", *others]}


def _statement(table: str, columns: Mapping[str, str], example: str, serial: str) -> sql.Composed:
    key = "id" if table == "requests" else "request_id"
    targets = [name for name in columns if not (table == "audit" and name == "id")]
    values = [_value(table, name, columns[name], key, serial) for name in targets]
    order = sql.SQL(", t.id") if table == "audit" else sql.SQL("")
    query = "INSERT INTO {} ({}) SELECT {} FROM made CROSS JOIN {} t WHERE t.{} = {} ORDER BY n{}"
    return sql.SQL(query).format(
        sql.Identifier(table),
        _listed(targets),
        sql.SQL(", ").join(values),
        sql.Identifier(table),
        sql.Identifier(key),
        sql.Literal(example),
        order,
    )


def _listed(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(name) for name in names)


def _value(table: str, name: str, kind: str, key: str, serial: str) -> sql.Composable:
    """Return what a copy has in a column."""
    column = sql.SQL("t.{}").format(sql.Identifier(name))
    if name == key:
        return sql.SQL("made.id")
    if name in ("created_at", "changed_at", "at"):
        return sql.SQL("made.at")
    if name == "serial":
        return sql.SQL("left({}, 8) || made.digits").format(column)
    if kind == "bytea" and name in ("certificate", "octets"):
        return _with_serial(column, serial)
    if table == "audit" and name == "details":
        return _details(column, serial)
    return column


def _with_serial(octets: sql.Composable, serial: str) -> sql.Composed:
    """Return DER with the copy's serial number: the last 16 of its bytes are others."""
    old = sql.Literal(serial[8:])
    return sql.SQL(
        "overlay({0} placing decode(made.digits, 'hex')"
        " from position(decode({1}, 'hex') in {0}) for 16)"
    ).format(octets, old)


def _details(details: sql.Composable, serial: str) -> sql.Composed:
    """Return an entry's details with the copy's serial number and the digest of its certificate."""
    certificate = sql.SQL("(SELECT certificate FROM certificates WHERE request_id = made.id)")
    return sql.SQL(
        "CASE WHEN {0}->>'certificate' IS NULL"
        " THEN replace({0}::text, {1}, left({1}, 8) || made.digits)::json"
        " ELSE replace(replace({0}::text, {1}, left({1}, 8) || made.digits),"
        " {0}->>'certificate', encode(sha256({2}), 'hex'))::json END"
    ).format(details, sql.Literal(serial), certificate)
